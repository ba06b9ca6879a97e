"""The hyperparams.yaml with which stock SpeechBrain opens an adapter folder."""

import inspect
import json
import pydoc

from ..recipe.yaml_files import REF
from .description import NAME, NEW

PLACE = "pretrained_path"  # the key that says where the python file is
LAST = {
    "softmax": "torch.nn.LogSoftmax {dim: -1}",
    "sigmoid": "torch.nn.LogSigmoid",
}
TEXT = """\
# How SpeechBrain opens this model; written by speechbrain_petl:
# speechbrain.inference.classifiers.EncoderClassifier.from_hparams(source=...)
# Its classify_batch returns log-probabilities.
{place}
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
__length: !apply:speechbrain.dataio.encoder.CategoricalEncoder.expect_len
    - !ref <label_encoder>
    - {classes}

# The front end needs the lengths of the clips: it is in the embedding model
compute_features: !new:torch.nn.Identity
mean_var_norm: !new:speechbrain.nnet.containers.LengthsCapableSequential
    - !new:torch.nn.Identity
fbank: {fbank}
encoder: {encoder}
{adapted}pooling: {pooling}
embedding_model: !new:{embedding}
    fbank: !ref <fbank>
    encoder: !ref <{whole}>
    pooling: !ref <pooling>
classifier: !new:torch.nn.Sequential
    - {head}
    - !new:{last}

modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
        label_encoder: !ref <label_encoder>
"""
BESIDE = """
# Where the python file is: a folder, or NAME/REPOSITORY of the hub. If it was
# moved, say so: from_hparams(folder, overrides={{"pretrained_path": folder}})
{key}: {folder}
__file: !apply:speechbrain.utils.fetching.fetch
    filename: {file}.py
    source: !ref <pretrained_path>
__parent: !apply:os.path.dirname [!ref <__file>]
__path: !apply:sys.path.append [!ref <__parent>]
"""


def stock_yaml(described, activation, dim, module=None, folder=None):
    """The text of the file.

    Arguments
    ---------
    described : dict
        The description of an adapter.
    activation : str
        "softmax" or "sigmoid".
    dim : int
        Width of the embeddings.
    module : str, optional
        The python file in the folder that has the classes of a plain model;
        without one they are this package's, the method included.
    folder : str or os.PathLike, optional
        Where that file is.

    Returns
    -------
    str
        In yaml.
    """
    trees = {k: described[k] for k in ("fbank", "encoder", "pooling", "petl")}
    trees["head"] = _head(described, dim)
    texts = {name: _flow(tree) for name, tree in trees.items()}
    embedding, place, adapted = "speechbrain_petl.inference.embed", "", ""
    if module:
        place = BESIDE.format(
            key=PLACE, folder=json.dumps(str(folder)), file=module
        )
        texts = {
            k: t.replace(f"{NEW}speechbrain_petl.", f"{NEW}{module}.")
            for k, t in texts.items()
        }
        embedding = module
    else:
        method = "".join(
            f"    {key}: {_flow(value)}\n"
            for key, value in described["petl"].items()
        )
        adapted = (
            f"adapted: {NEW}speechbrain_petl.AdaptedEncoder\n"
            f"    encoder: !ref <encoder>\n{method}"
        )
    return TEXT.format(
        **texts,
        place=place,
        classes=len(described["labels"]),
        adapted=adapted,
        whole="encoder" if module else "adapted",
        embedding=f"{embedding}.Embedding",
        last=LAST[activation],
    )


def placed(text, place):
    """A hyperparams.yaml whose python file is elsewhere.

    Arguments
    ---------
    text : str
        Of it.
    place : str
        A folder, or NAME/REPOSITORY.

    Returns
    -------
    str
        In yaml.

    Example
    -------
    >>> placed('pretrained_path: "/here"', "someone/model")
    'pretrained_path: "someone/model"'
    """
    line = f"{PLACE}: {json.dumps(place)}"
    lines = text.split("\n")
    return "\n".join(line if x.startswith(f"{PLACE}:") else x for x in lines)


def _head(described, dim):
    """The classifier as it is built: of the width and the number of classes."""
    ((tag, arguments),) = described["classifier"].items()
    name = tag.removeprefix(NAME)
    first, second = list(inspect.signature(pydoc.locate(name)).parameters)[:2]
    sizes = {first: dim, second: len(described["labels"])}
    return {f"{NEW}{name}": {**(arguments or {}), **sizes}}


def _flow(tree):
    """Plain data in one line of yaml, tags as tags."""
    if isinstance(tree, list):
        return f"[{', '.join(map(_flow, tree))}]"
    if isinstance(tree, dict):
        tag = next(iter(tree), "")
        if tag == REF:
            return f"!ref <{tree[REF]}>"
        if tag.startswith((NEW, NAME)):
            return f"{tag} {_flow(tree[tag])}"
        pairs = (f"{json.dumps(k)}: {_flow(v)}" for k, v in tree.items())
        return f"{{{', '.join(pairs)}}}"
    text = json.dumps(tree)
    # yaml takes 1e-05 for a text
    return (
        text.replace("e", ".0e")
        if type(tree) is float and "." not in text
        else text
    )
