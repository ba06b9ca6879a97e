"""A classifier as one graph: sbpetl deploy MODEL FILE.

FILE.onnx is for ONNX runtimes, FILE.pt2 for ``torch.export.load``. The graph
takes any number of clips, and is checked against PyTorch before it is kept.
The names of the labels are in it: in the metadata of an .onnx, in the extra
file labels.json of a .pt2.
"""

from pathlib import Path

from ...errors import ArgumentParser
from ..options import add_model


def main(argv):
    """The command line: MODEL, FILE and options."""
    parser = ArgumentParser(prog="sbpetl deploy", description=__doc__)
    add = parser.add_argument
    add_model(parser)
    add("file", help="to write: its name ends in .onnx or .pt2")
    add("--features", action="store_true", help="leave the front end out")
    add("--no_merge", action="store_true", help="leave the adapter in place")
    args = parser.parse_args(argv)
    from ..classifier import AudioClassifier  # imports torch
    from ..deploy import check_writable, deploy

    check_writable(args.file)
    classifier = AudioClassifier.from_hparams(
        args.model,
        base=args.base,
        merge=not args.no_merge,
        trust=args.trust,
        run_opts={"device": "cpu"},
    )
    worst = deploy(classifier, args.file, args.features)
    size = Path(args.file).stat().st_size
    print(f"{args.file}: {size:,} bytes, within {worst:.1g} of PyTorch")
