"""Graphs in files: .onnx for ONNX runtimes, .pt2 for ``torch.export.load``."""

import torch

from ..errors import InputError

ONNX, PT2 = ".onnx", ".pt2"


def check_format(suffix):
    """Refuse a format that is not known, or cannot be written here.

    Arguments
    ---------
    suffix : str
        Of the file.
    """
    if suffix not in FORMATS:
        raise InputError(f"the name must end in {ONNX} or {PT2}")
    if suffix == ONNX:
        _import_onnx()


def write_graph(program, path, names, about):
    """Write an exported program.

    Arguments
    ---------
    program : torch.export.ExportedProgram
        With one output, the probabilities.
    path : pathlib.Path
        The file.
    names : list of str
        Of the inputs.
    about : dict
        Name -> text: metadata of an .onnx, extra files of a .pt2.
    """
    FORMATS[path.suffix][0](program, path, names, about)


def read_graph(path, names):
    """Load what ``write_graph`` wrote.

    Arguments
    ---------
    path, names
        As for ``write_graph``.

    Returns
    -------
    callable
        Takes tensors and returns one.
    """
    return FORMATS[path.suffix][1](path, names)


def _write_onnx(program, path, names, about):
    made = torch.onnx.export(
        program,
        input_names=list(names),
        output_names=["probabilities"],
        dynamo=True,
        verbose=False,
    )
    made.model.metadata_props.update(about)
    made.save(path)


def _read_onnx(path, names):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))

    def _run_session(*inputs):
        feed = {name: x.numpy() for name, x in zip(names, inputs)}
        return torch.from_numpy(session.run(None, feed)[0])

    return _run_session


def _write_pt2(program, path, names, about):
    extra = {f"{name}.json": text for name, text in about.items()}
    torch.export.save(program, path, extra_files=extra)


def _read_pt2(path, names):
    return torch.export.load(path).module()


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


FORMATS = {ONNX: (_write_onnx, _read_onnx), PT2: (_write_pt2, _read_pt2)}
