"""Name what is in sound files: sbpetl classify MODEL FILES.

MODEL is a finished run, an adapter folder or a repository of one; of a folder
among FILES, all sound files below it are taken.
"""

import os

from tqdm import tqdm

from ..data.audio import check_audio
from ..data.finding import find_audio
from ..errors import ArgumentParser, printable
from ..lobes.ast import merge_tokens
from ..recipe.command_line import check_device
from .classifier import AudioClassifier
from .options import add_model, check_file


def _classify(classifier, files, **options):
    """A row for each file: id, predicted, and ``p(<label>)`` for each label.

    As in a run's predictions.csv.
    """
    import pandas

    rows = []
    for file in tqdm(files, desc="classifying", disable=None):
        probabilities, _, _, names = classifier.classify_file(file, **options)
        values = probabilities[0].tolist()
        labels = [f"p({label})" for label in classifier.hparams.labels]
        row = {"id": file, "predicted": names[0]}
        rows.append({**row, **dict(zip(labels, values))})
    return pandas.DataFrame(rows)


def _best(row, count):
    """The likeliest labels of a file, as text.

    >>> import pandas
    >>> _best(pandas.Series({"id": "a.wav", "p(cat)": 0.125, "p(dog)": 0.8}), 1)
    'dog 0.800'
    """
    found = row.filter(like="p(").astype(float).nlargest(count)
    return ", ".join(f"{name[2:-1]} {p:.3f}" for name, p in found.items())


def main(argv):
    """The command line: MODEL, FILES and options."""
    args = _parse(argv)
    if args.csv:
        check_file(args.csv, "--csv=")
    if args.device:
        check_device(args.device)
    files = find_audio(args.files)
    for file in tqdm(files, desc="checking", leave=False, disable=None):
        check_audio(file)
    classifier = AudioClassifier.from_hparams(
        args.model,
        base=args.base,
        trust=args.trust,
        run_opts={"device": args.device} if args.device else None,
    )
    if args.token_merging:
        merge_tokens(classifier.mods["encoder"], args.token_merging)
    table = _classify(
        classifier, files, windows=args.windows, overlap=args.overlap
    )
    if args.csv:  # first: whoever reads what is printed may stop, as head does
        table.to_csv(f"{args.csv}.part", index=False, float_format="%.7g")
        os.replace(f"{args.csv}.part", args.csv)
    for _, row in table.iterrows():
        print(printable(f"{row['id']}: {_best(row, args.top)}"))


def _parse(argv):
    parser = ArgumentParser(prog="sbpetl classify", description=__doc__)
    add = parser.add_argument
    add_model(parser)
    add("files", nargs="+", help="sound files, or folders of them")
    add("--top", type=int, default=3, help="labels to print for each file")
    add("--csv", help="write the probabilities of all labels")
    add("--windows", type=int, help="take so many from the start of a file")
    add("--overlap", type=float, help="fraction that windows have in common")
    add("--token_merging", type=float, help="fraction of an AST's patches")
    add("--device", help="such as cpu or cuda")
    args = parser.parse_args(argv)
    for name in ("top", "windows"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name}: give 1 or more")
    return args
