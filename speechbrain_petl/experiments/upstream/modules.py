"""The modules that SpeechBrain gets: adapters and the AST, generated from ours."""

import re
from importlib import resources
from string import Template

from ...inference.standalone import standalone

PETL, AST = "speechbrain/nnet/petl.py", "speechbrain/lobes/models/AST.py"
IN_PETL = {  # class or function -> where it is here
    "LoRA": "adapters.lora",
    "Adapter": "adapters.adapter",
    "Bottleneck": "adapters.blocks",
    "ConformerConvolution": "adapters.convolution",
    "padding_mask": "adapters.masks",
}
IN_AST = {
    "PlainAST": "lobes.ast",
    "Fbank": "lobes.fbank",
    "Augment": "lobes.augment",
    "SpecAugment": "lobes.augment",
    "CONVERTERS": "weights.convert_ast",
    "kind_of": "weights.convert_ast",
    "fit_positions": "weights.fitting",
}
WE = "the speechbrain_petl developers"
AUTHORS = f"Authors\n * {WE}, 2026\n"
PETL_HEADER = f"""Adapters that take the place of a pretrained module and hold it inside.

LoRA for parts of a fused projection, and blocks beside, before or after a
module; several kinds in one model by `AdaptedModel(wrappers=...)`.

{AUTHORS}"""
AST_HEADER = f"""The Audio Spectrogram Transformer: https://arxiv.org/abs/2104.01778.

With its filterbank, its augmentation and its published weights.

{AUTHORS}"""


def read_text(name):
    """A text that stands beside this module.

    Arguments
    ---------
    name : str
        Of a file in ``texts``.

    Returns
    -------
    str
        What it holds.

    Example
    -------
    >>> read_text("tutorial.md").splitlines()[0]
    '## Several kinds of adapters in one model'
    """
    folder = resources.files(__package__) / "texts"
    return (folder / name).read_text(encoding="utf-8")


def fill_in(name, **values):
    """A text with its ``$names`` filled in.

    Arguments
    ---------
    name : str
        Of a file in ``texts``.
    **values : str
        What stands for each name; whole lines keep their indentation.

    Returns
    -------
    str
        The text.
    """
    text = read_text(name)
    for key, value in values.items():
        indent = re.search(rf"^( +)\${key}$", text, flags=re.M)
        if indent:
            values[key] = value.replace("\n", "\n" + indent[1])
    return Template(text).substitute(values)


def name_of(path):
    """What an import calls a file.

    Arguments
    ---------
    path : str
        Of a python file there.

    Returns
    -------
    str
        With dots.

    Example
    -------
    >>> name_of(PETL)
    'speechbrain.nnet.petl'
    """
    return path.removesuffix(".py").replace("/", ".")


def petl_module():
    """The text of PETL.

    Returns
    -------
    str
        In python.
    """
    roots = [f"{module}:{name}" for name, module in IN_PETL.items()]
    return standalone(roots, PETL_HEADER, brief=True)


def ast_module():
    """The text of AST, ``load_pretrained`` at its end.

    Returns
    -------
    str
        In python.
    """
    roots = [f"{module}:{name}" for name, module in IN_AST.items()]
    imports = [
        *("import json", "import os"),
        "from speechbrain.utils.fetching import fetch",
    ]
    names = {"PlainAST": "AST"}
    text = standalone(roots, AST_HEADER, names, imports=imports, brief=True)
    return f"{text}\n\n{read_text('loading.txt')}"


def classes_there():
    """Name of a class here -> its name there, as yaml files have them.

    Returns
    -------
    dict
        Of str.

    Example
    -------
    >>> classes_there()["speechbrain_petl.LoRA"]
    'speechbrain.nnet.petl.LoRA'
    """
    places = dict.fromkeys(IN_PETL, PETL) | dict.fromkeys(IN_AST, AST)
    names = {
        f"speechbrain_petl.{name}": f"{name_of(path)}.{name}"
        for name, path in places.items()
    }
    return {**names, "speechbrain_petl.AST": "speechbrain.lobes.models.AST.AST"}
