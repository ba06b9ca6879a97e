"""A classifier as one graph: python -m speechbrain_petl.deploy MODEL FILE.

FILE.onnx is for ONNX runtimes, FILE.pt2 for ``torch.export.load``. The graph
takes any number of clips, and is checked against PyTorch before it is kept.
"""

import argparse
import json
import os
from pathlib import Path

import torch
from torch import nn

from .dataio import SAMPLE_RATE
from .errors import InputError
from .inference import TRUST, AudioClassifier, embed
from .recipe import run
from .voting import vote

ONNX, PT2 = ".onnx", ".pt2"
BATCHES = (1, 5)  # that are checked
TOLERANCE = 1e-4
LABELS = "labels.json"  # inside a .pt2


class ClassifierGraph(nn.Module):
    """Clips to probabilities, with tensors in and out.

    Arguments
    ---------
    classifier : AudioClassifier
        The model.
    features : bool
        Take what the filterbank returns, not waveforms.

    Example
    -------
    >>> ClassifierGraph.INPUTS[False]
    ('wavs', 'lens')
    """

    # of waveforms (batch, sample) and shares of the longest (batch,), or of
    # spectrograms (batch, frame, mel)
    INPUTS = {False: ("wavs", "lens"), True: ("features",)}

    def __init__(self, classifier, features=False):
        super().__init__()
        self.mods = classifier.mods
        self.features = features
        self.activation = classifier.hparams.activation

    def forward(self, *inputs):
        """Classify a batch.

        Arguments
        ---------
        *inputs : tuple of torch.Tensor
            As named in INPUTS.

        Returns
        -------
        torch.Tensor
            Probabilities (batch, class).
        """
        if self.features:
            tokens = self.mods["encoder"](*inputs)
            embeddings = self.mods["pooling"](tokens)
        else:
            embeddings = embed(self.mods, *inputs)
        logits = self.mods["classifier"](embeddings)
        return vote(logits.unsqueeze(1), self.activation)

    def example(self, batch):
        """Noise of the right shapes.

        Arguments
        ---------
        batch : int
            How many clips.

        Returns
        -------
        tuple of torch.Tensor
            As named in INPUTS.
        """
        fbank = self.mods["fbank"]
        generator = torch.Generator().manual_seed(batch)
        wavs = torch.randn(batch, fbank.samples, generator=generator) / 10
        lens = torch.linspace(1.0, 0.3, batch)
        return (fbank(wavs, lens),) if self.features else (wavs, lens)


def deploy(classifier, path, features=False):
    """Write a classifier as a graph, and check it.

    Arguments
    ---------
    classifier : AudioClassifier
        The model, on the CPU.
    path : str or os.PathLike
        The file; its name ends in .onnx or .pt2.
    features : bool
        Leave the filterbank out: the graph takes normalised spectrograms.

    Returns
    -------
    float
        The largest difference of a probability from PyTorch's.
    """
    path = Path(path)
    if path.suffix not in (ONNX, PT2):
        raise InputError(f"{path}: the name must end in {ONNX} or {PT2}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no such folder")
    if path.suffix == ONNX:
        _import_onnx()
    graph = ClassifierGraph(classifier, features).eval()
    batch = torch.export.Dim("batch")
    inputs = graph.example(2)
    program = torch.export.export(
        graph,
        inputs,
        dynamic_shapes=(tuple({0: batch} for _ in inputs),),
        strict=True,  # the other way takes len(x) for a constant
    )
    part = path.with_name(f"part-{path.name}")
    about = {
        "labels": json.dumps(classifier.hparams.labels),
        "sample_rate": str(SAMPLE_RATE),
        "samples": str(graph.mods["fbank"].samples),
    }
    write, read = FORMATS[path.suffix]
    write(program, part, graph.INPUTS[features], about)
    worst = _check(graph, read(part, graph.INPUTS[features]), path)
    os.replace(part, path)
    return worst


def _check(graph, other, path):
    worst = 0.0
    for size in BATCHES:
        inputs = graph.example(size)
        with torch.no_grad():
            wanted = graph(*inputs)
        worst = max(worst, float((other(*inputs) - wanted).abs().max()))
    if not worst <= TOLERANCE:
        raise InputError(
            f"{path} is not written: its probabilities differ from PyTorch's "
            f"by up to {worst:.1g}"
        )
    return worst


def _write_onnx(program, path, names, about):
    made = torch.onnx.export(
        program,
        input_names=list(names),
        output_names=["probabilities"],
        dynamo=True,
        verbose=False,
        custom_translation_table={torch.ops.prims.fma.default: _fma},
    )
    made.model.metadata_props.update(about)
    made.save(path)


def _fma(a, b, c):
    """What torch's exporter makes of addcmul, and ONNX does not have."""
    from onnxscript import opset18 as op

    return op.Add(op.Mul(a, b), c)


def _read_onnx(path, names):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))

    def run_session(*inputs):
        feed = {name: x.numpy() for name, x in zip(names, inputs)}
        return torch.from_numpy(session.run(None, feed)[0])

    return run_session


def _write_pt2(program, path, names, about):
    extra = {f"{name}.json": text for name, text in about.items()}
    torch.export.save(program, path, extra_files=extra)


def _read_pt2(path, names):
    return torch.export.load(path).module()


FORMATS = {ONNX: (_write_onnx, _read_onnx), PT2: (_write_pt2, _read_pt2)}


def _import_onnx():
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{ONNX} needs a package that is not installed ({error}): "
            "pip install speechbrain_petl[onnx]"
        ) from error


def main(argv=None):
    """The command line of this module.

    Arguments
    ---------
    argv : list of str, optional
        MODEL, FILE and options.
    """
    parser = argparse.ArgumentParser(prog="python -m speechbrain_petl.deploy")
    add = parser.add_argument
    add("model", help="a finished run, an adapter folder or NAME/REPOSITORY")
    add("file", help="to write: its name ends in .onnx or .pt2")
    add("--features", action="store_true", help="leave the filterbank out")
    add("--no_merge", action="store_true", help="leave the adapter in place")
    add("--base", help="the pretrained weights, if not where MODEL says")
    add("--trust", action="store_true", help=TRUST)
    args = parser.parse_args(argv)
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


if __name__ == "__main__":
    run(main)
