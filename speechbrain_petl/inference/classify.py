"""Name what is in sound files, and write it as it comes."""

import codecs
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from ..data.audio import SAMPLE_RATE, read_audio
from ..data.finding import find_audio
from ..data.windows import MOST_OVERLAP
from ..errors import InputError, printable
from ..lobes.merge_tokens import merge_tokens
from ..recipe.command_line import check_device
from .answers import UNKNOWN
from .classifier import AudioClassifier
from .outputs import Failures, check_outputs, open_outputs


def classify(args):
    """Classify files, all that can be read.

    Arguments
    ---------
    args : argparse.Namespace
        As ``commands.classify`` parses them.
    """
    check_outputs(args)
    if args.device:
        check_device(args.device)
    files = find_audio(_named(args.files))
    if not files:
        raise InputError("standard input names no file: give some, one a line")
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
            read = sys.stdin.buffer.read().removeprefix(codecs.BOM_UTF8)
            read = os.fsdecode(read)
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
