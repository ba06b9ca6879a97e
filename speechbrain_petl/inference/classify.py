"""Name what is in sound files: sbpetl classify MODEL FILES.

MODEL is a finished run, an adapter folder or a repository of one; of a folder
among FILES, all sound files below it are taken, and for - the names that are
read from standard input, one a line.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from ..data.audio import SAMPLE_RATE, read_audio
from ..data.finding import find_audio
from ..data.windows import MOST_OVERLAP
from ..errors import ArgumentParser, InputError, printable
from ..lobes.ast import merge_tokens
from ..recipe.command_line import check_device
from .answers import UNKNOWN
from .classifier import AudioClassifier
from .options import add_model
from .outputs import Failures, check_outputs, open_outputs
from .segment_files import ENDINGS
from .windows import BATCH


def main(argv):
    """The command line: MODEL, FILES and options."""
    args = _parse(argv)
    check_outputs(args)
    if args.device:
        check_device(args.device)
    files = find_audio(_named(args.files))
    if args.explain and len(files) > 1:
        raise InputError(
            f"--explain={args.explain} is a picture of one file, and there are "
            f"{len(files)}: name one"
        )
    classifier = AudioClassifier.from_hparams(
        args.model,
        base=args.base,
        trust=args.trust,
        run_opts={"device": args.device} if args.device else None,
    )
    if args.token_merging:
        merge_tokens(classifier.mods["encoder"], args.token_merging)
    try:
        _classify(classifier, files, args)
    except KeyboardInterrupt:
        kept = ", --resume goes on" if args.csv or args.segments else ""
        raise KeyboardInterrupt(f"stopped: what is written is whole{kept}")
    if args.explain:
        from .spectrograms import draw_explanation  # imports matplotlib

        said = classifier.explain(read_audio(files[0]))
        draw_explanation(said, args.explain, f"{Path(files[0]).name}: {said}")


def _classify(classifier, files, args):
    labels = classifier.hparams.labels
    with ExitStack() as stack:
        failures = Failures(args.errors, args.strict)
        stack.enter_context(failures)
        outputs, left = open_outputs(args, labels, files, stack)
        answers = classifier.classify_files(
            left,
            windows=args.windows,
            overlap=_overlap(classifier, args),
            batch_size=args.batch_size,
            num_workers=args.num_workers,
        )
        for answer in answers:
            if answer.error:
                failures.add(answer)
                continue
            for write in outputs:
                write(answer)
            best = _best(answer, labels, args.top)
            if answer.name(labels, args.reject) == UNKNOWN:
                best = f"{UNKNOWN} ({best})"
            line = f"{answer.file}: {best}"
            if not _say(line) and not outputs:
                return
    failures.refuse(len(left))


def _best(answer, labels, count):
    """The likeliest labels of a file, as text.

    >>> import torch
    >>> from speechbrain_petl.inference.answers import Answer
    >>> _best(Answer("a", logits=torch.tensor([[0.0, 2]])), ["cat", "dog"], 1)
    'dog 0.881'
    """
    scores, best = answer.probabilities.topk(min(count, len(labels)))
    pairs = zip(best.tolist(), scores.tolist())
    return ", ".join(f"{labels[i]} {score:.3f}" for i, score in pairs)


def _say(line):
    """Print a line; whether anybody still reads, as head soon does not."""
    try:
        tqdm.write(printable(line))
        sys.stdout.flush()
        return True
    except BrokenPipeError:
        # neither the next line nor Python's own last flush may end in an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False


def _named(names):
    """The names given, those of standard input in the place of -."""
    for name in names:
        if name == "-":
            read = os.fsdecode(sys.stdin.buffer.read())
            # those of find -print0, which may hold line ends
            end = "\0" if "\0" in read else "\n"
            yield from filter(None, (n.rstrip("\r") for n in read.split(end)))
        else:
            yield name


def _overlap(classifier, args):
    """Overlap of the windows that begin every so many seconds."""
    if args.hop is None:
        return args.overlap
    window = classifier.mods["fbank"].samples / SAMPLE_RATE
    least = (1 - MOST_OVERLAP) * window
    if not least <= args.hop <= window:
        raise InputError(
            f"--hop={args.hop:g}: give {least:g} to {window:g} seconds, which "
            "a window of this model lasts"
        )
    return 1 - args.hop / window


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
