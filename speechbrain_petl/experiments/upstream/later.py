"""More adapters for SpeechBrain, a branch for each kind, upon petl-adapters."""

import ast
from dataclasses import dataclass

from ...inference.standalone import standalone
from .modules import AUTHORS, PETL, fill_in, name_of, petl_module, read_text


@dataclass(frozen=True)
class Later:
    """A module of more adapters.

    Arguments
    ---------
    name : str
        Of the branch, and the end of the module's name.
    title : str
        Of the pull request, and of the module.
    classes : dict
        Class -> where it is here.
    text : str
        What the pull request says of them.
    wrappers : tuple of str
        Python for what its unit test wraps, where; see ``texts/test_later.txt``.
    plain : bool
        Whether a model starts as it was.
    """

    name: str
    title: str
    classes: dict
    text: str
    wrappers: tuple
    plain: bool = True

    @property
    def path(self):
        """The module there."""
        return PETL.replace(".py", f"_{self.name}.py")

    @property
    def test(self):
        """Its unit test there."""
        return f"tests/unittests/test_petl_{self.name}.py"

    def files(self):
        """Path in their tree -> text.

        Returns
        -------
        dict
            Of str.
        """
        roots = [f"{module}:{name}" for name, module in self.classes.items()]
        header = f"{self.title}.\n\n{AUTHORS}"
        text = standalone(roots, header, given=_there(), brief=True)
        test = fill_in(
            "test_later.txt",
            kind=self.name,
            wrappers="\n".join(f"{line}," for line in self.wrappers),
            start=f"A model starts {'as it was' if self.plain else 'anew'}",
            negation="" if self.plain else "not ",
            more=read_text(f"test_{self.name}.txt").rstrip("\n"),
        )
        return {self.path: text, self.test: test}

    def pull_request(self):
        """What the pull request says.

        Returns
        -------
        str
            In Markdown.
        """
        module = name_of(self.path)
        return fill_in("later.md", module=module, text=self.text)


def _there():
    """Name of what petl-adapters brings -> the line that imports it."""
    found = {}
    for node in ast.parse(petl_module()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = f"from {name_of(PETL)} import {node.name}"
    return found


MIXTURE = (
    "partial(petl.Adapter, block=partial(petl_mixtures.%s, expert=partial("
    "petl.Bottleneck, width=2), experts=3))"
)
LATER = [
    Later(
        "mixtures",
        "Mixtures of adapters, dense and soft",
        {"DenseMoA": "adapters.moa", "SoftMoA": "adapters.moa"},
        "Mixtures of adapters (https://arxiv.org/abs/2402.00828) as blocks for "
        "`Adapter`: every\nexpert on every token, or each on its slots.",
        tuple(f'("?.mlp", {MIXTURE % n})' for n in ("DenseMoA", "SoftMoA")),
    ),
    Later(
        "prompts",
        "Prompt and prefix tuning",
        {"Prompt": "adapters.prompt", "Prefix": "adapters.prefix"},
        "Learned tokens around a layer or a stack of layers "
        "(https://arxiv.org/abs/2203.12119), and\nlearned keys and values of an "
        "attention (https://arxiv.org/abs/2101.00190).",
        (
            '("?", partial(petl_prompts.Prompt, tokens=3))',
            '("?.attn", partial(petl_prompts.Prefix, tokens=3))',
        ),
        plain=False,
    ),
    Later(
        "dora",
        "DoRA, weight-decomposed low-rank adaptation",
        {"DoRA": "adapters.dora"},
        "DoRA (https://arxiv.org/abs/2402.09353), which can be merged, on the "
        "parts of a fused\nprojection like `LoRA`.",
        ('("*.qkv", partial(petl_dora.DoRA, rank=2, parts="qv"))',),
    ),
    Later(
        "scales",
        "SSF and IA3, learned scales",
        {"SSF": "adapters.ssf", "IA3": "adapters.ia3"},
        "Learned scales and shifts of what a module returns "
        "(https://arxiv.org/abs/2210.08823), and\nof keys, values and hidden "
        "features (https://arxiv.org/abs/2205.05638). Both can be merged.",
        (
            '("*.qkv|*.mlp.[02]", petl_scales.SSF)',
            '("*.qkv", partial(petl_scales.IA3, parts="kv"))',
            '("?.mlp.2", partial(petl_scales.IA3, side="input"))',
        ),
    ),
]
