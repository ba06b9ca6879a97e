"""Name what is in sound files: sbpetl classify MODEL FILES.

MODEL is a finished run, an adapter folder or a repository of one; of a folder
among FILES, all sound files below it are taken, and for - the names that are
read from standard input, one a line.
"""

from ...errors import ArgumentParser
from ..options import BATCH, add_model
from ..segment_files import ENDINGS


def main(argv):
    """The command line: MODEL, FILES and options."""
    args = _parse(argv)
    from ..classify import classify  # imports torch

    classify(args)


def _parse(argv):
    parser = ArgumentParser(prog="sbpetl classify", description=__doc__)
    add = parser.add_argument
    add_model(parser)
    add("files", nargs="+", help="sound files, folders of them, or -")
    add("--top", type=int, default=3, help="labels to print for each file")
    add("--reject", type=float, help='say "unknown" below this probability')
    _add_outputs(parser)
    add("--windows", type=int, help="take so many from the start of a file")
    add("--overlap", type=float, help="fraction that windows have in common")
    add("--hop", type=float, help="seconds from one window to the next")
    add("--token_merging", type=float, help="fraction of an AST's patches")
    add("--batch_size", type=int, default=BATCH, help="windows at a time")
    add("--num_workers", type=int, default=2, help="processes that read files")
    add("--device", help="such as cpu or cuda")
    args = parser.parse_args(argv)
    for name in ("top", "windows", "batch_size"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name}: give 1 or more")
    if args.num_workers < 0:
        parser.error("--num_workers: give 0 or more")
    if args.hop is not None and args.overlap is not None:
        parser.error("--hop and --overlap say the same: give one of them")
    of_segments = args.format, args.no_join or None, args.threshold
    if not args.segments and any(x is not None for x in of_segments):
        parser.error("--format, --no_join, --threshold: of --segments=FILE")
    if args.embeddings and not args.embeddings.endswith(".npz"):
        parser.error(f"--embeddings={args.embeddings}: it ends in .npz")
    for name in ("threshold", "reject"):
        given = getattr(args, name)
        if given is not None and not 0 <= given <= 1:
            parser.error(f"--{name}: give a probability from 0 to 1")
    return args


def _add_outputs(parser):
    add = parser.add_argument
    add("--csv", help="write the probabilities of all labels")
    add("--resume", action="store_true", help="skip the files that it has")
    add("--errors", help="write a csv of the files that cannot be read")
    add("--strict", action="store_true", help="stop at the first of these")
    add("--segments", help="write what is when: a file, or a folder of them")
    add("--format", choices=ENDINGS, help="of these, if not by its ending")
    add("--threshold", type=float, help="all labels as likely in a segment")
    add("--no_join", action="store_true", help="a segment for each window")
    add("--explain", help="draw, as png, what of one file has mattered")
    add("--embeddings", help="write an .npz: of files, or of segments' windows")
