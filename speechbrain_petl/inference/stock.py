"""An adapter folder that stock SpeechBrain opens, by EncoderClassifier.

Whole weights beside the adapter, and a hyperparams.yaml. Where everything could
be merged into a plain AST, its classes stand in the folder as a python file of
plain torch, and this package is not needed; else the yaml names its classes.
"""

import copy
import hashlib
from pathlib import Path

import torch

from speechbrain.dataio.encoder import CategoricalEncoder

from ..lobes.pooling import embedding_dim
from ..recipe.settings import HYPERPARAMS
from .description import NAME, NEW
from .embed import Embedding
from .standalone import standalone
from .stock_yaml import stock_yaml

PLAIN = {  # what a plain model is made of; its classifier may be torch's
    f"{NEW}speechbrain_petl.AST": "lobes.ast:PlainAST",
    f"{NEW}speechbrain_petl.Fbank": "lobes.fbank:Fbank",
    f"{NEW}speechbrain_petl.Pooling": "lobes.pooling:Pooling",
}
HEADS = (f"{NAME}torch.nn.Linear", f"{NAME}speechbrain_petl.NormLinear")
# arguments of the AST that matter before it is trained only
TRAINING = ("patch_dropout", "gradient_checkpointing", "source_input")
WHOLE = [
    f"{n}.ckpt" for n in ("embedding_model", "classifier", "label_encoder")
]
# names with a hash: python remembers a module by its name
PYTHON = f"lobe_{'[0-9a-f]' * 8}.py"
# what foreign_class finds in the file
INTERFACE = (
    "from speechbrain.inference.classifiers import EncoderClassifier  # noqa"
)
HEADER = """The classes of this model in plain torch, for SpeechBrain.

They are those of speechbrain_petl, which has written this file.
"""


def write_stock(saved, folder, base=None):
    """Write the files that SpeechBrain opens.

    Arguments
    ---------
    saved : speechbrain_petl.inference.saved.Saved
        The adapter.
    folder : str or os.PathLike
        Where to write.
    base : str, optional
        Where the pretrained weights are, if not where it says.

    Returns
    -------
    bool
        Whether SpeechBrain opens it without this package.
    """
    folder, described = Path(folder), copy.deepcopy(saved.description)
    modules = saved.modules(saved.base(base))
    whole = copy.deepcopy(modules["encoder"]).merge()
    module = None
    if is_plain(whole, described):
        modules["encoder"] = whole
        for name in TRAINING:
            described["encoder"][f"{NEW}speechbrain_petl.AST"].pop(name, None)
        module = _write_python(folder)
    names = ("fbank", "encoder", "pooling")
    embedding = Embedding(*(modules[name] for name in names))
    head = torch.nn.Sequential(
        _tempered(modules["classifier"], saved.temperature)
    )
    torch.save(embedding.state_dict(), folder / WHOLE[0])
    torch.save(head.state_dict(), folder / WHOLE[1])
    labels = CategoricalEncoder()
    labels.update_from_iterable(described["labels"])
    labels.save(folder / WHOLE[2])
    place = folder.absolute()
    dim = embedding_dim(whole, modules["pooling"])
    text = stock_yaml(described, saved.activation, dim, module, place)
    (folder / HYPERPARAMS).write_text(text, encoding="utf-8")
    return module is not None


def _tempered(classifier, temperature):
    """A classifier whose last layer divides by the temperature."""
    tempered = copy.deepcopy(classifier)
    *_, last = (m for m in tempered.modules() if hasattr(m, "weight"))
    with torch.no_grad():
        for parameter in last.parameters():
            parameter /= temperature
    return tempered


def is_plain(encoder, described):
    """Whether a model needs nothing of this package but what PLAIN has.

    Arguments
    ---------
    encoder : torch.nn.Module
        Merged.
    described : dict
        Its description.

    Returns
    -------
    bool
        False if a wrapper is left, or tokens are merged.
    """
    if any(hasattr(m, "pretrained_module") for m in encoder.modules()):
        return False
    tags = [next(iter(described[k])) for k in ("encoder", "fbank", "pooling")]
    if tags != list(PLAIN) or next(iter(described["classifier"])) not in HEADS:
        return False
    ast = described["encoder"][tags[0]]
    return ast.get("distillation", True) and not ast.get("token_merging")


def _write_python(folder):
    """The module that is written."""
    head = "lobes.pooling:NormLinear"
    roots = [*PLAIN.values(), head, "inference.embed:Embedding"]
    text = standalone(roots, HEADER, {"PlainAST": "AST"}, imports=[INTERFACE])
    name = f"lobe_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return name
