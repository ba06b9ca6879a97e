"""A recipe for SpeechBrain's tree, generated from one of ours."""

import ast
import re
from pathlib import Path

from ...errors import InputError
from ...recipe.method_files import HPARAMS, export
from ...recipe.yaml_files import load_yaml
from ...recipe.yaml_text import entry, header_of
from .listed import Listed
from .modules import classes_there, fill_in

# what stands for what in the methods of a Brain
STEPS = {
    "self.modules.pooling(tokens, samples)": "tokens.mean(dim=1)",
    "self.modules.encoder(features, samples)": "self.modules.encoder(features)",
    "        samples = wav_lens * wavs.shape[1]\n": "",
    "batch.target": "batch.class_index",  # their samples have a column target
}
OURS = (  # entries of our yaml files that are taken as they are
    *("seed", "source", "ast_size", "frames", "mels", "mean", "std"),
    *("encoder", "fbank", "wave_augment", "augment"),
    *("batch_size", "lr", "weight_decay", "opt_class"),
)


class Recipe:
    """The files of a recipe.

    Arguments
    ---------
    dataset : speechbrain_petl.experiments.upstream.datasets.Dataset
        What it is for.
    root : str or os.PathLike
        The checkout of this project, with its recipes and lists.
    methods : list of str
        Names of method files.
    """

    def __init__(self, dataset, root, methods):
        self.dataset, self.methods = dataset, methods
        self.here = Path(root) / "recipes" / dataset.name
        self.list = Path(root) / "tests" / "recipes" / f"{dataset.name}.csv"
        self.listed = Listed(self)
        if not self.here.is_dir():
            raise InputError(
                f"{self.here} is not there: run this in a clone of the "
                "project, or name it by --root"
            )

    def files(self):
        """Path in their tree -> text.

        Returns
        -------
        dict
            Of str.
        """
        folder = self.dataset.recipe
        found = {
            f"{folder}/train.py": self.script(),
            f"{folder}/README.md": self.listed.readme(),
        }
        if self.dataset.requirements:
            names = sorted(self.dataset.requirements)
            text = "".join(f"{name}\n" for name in names)
            found[f"{folder}/extra_requirements.txt"] = text
        for name in self.methods:
            found[f"{folder}/hparams/{name}.yaml"] = self.hparams(name)
        return found

    def links(self):
        """Path in their tree -> what it links to: the preparation.

        Returns
        -------
        dict
            Of str.
        """
        folder, place = self.dataset.recipe, self.dataset.place
        module = self.dataset.prepare.partition(".")[0]
        above = "../" * len(Path(place).parts)
        return {f"{folder}/{module}.py": f"{above}{module}.py"}

    def script(self):
        """The train.py: what is computed is ours, word by word.

        Returns
        -------
        str
            In python.
        """
        dataset = self.dataset
        module, _, function = dataset.prepare.partition(".")
        text = (self.here / "train.py").read_text(encoding="utf-8")
        brain = next(
            node
            for node in ast.parse(text).body
            if isinstance(node, ast.ClassDef) and "Brain" in node.name
        )
        return fill_in(
            "train.txt",
            title=dataset.title,
            data_folder=dataset.data_folder,
            prepare_module=module,
            prepare=function,
            brain=brain.name,
            forward=_method(text, brain, "compute_forward"),
            objectives=_method(text, brain, "compute_objectives").replace(
                "self.hparams.loss(", "torch.nn.functional.cross_entropy("
            ),
            arguments="\n".join(
                f'"{name}": hparams["{key or name}"],'
                for name, key in dataset.arguments.items()
            ),
            path=dataset.path.replace("\n", "\n        "),
            takes=", ".join(f'"{name}"' for name in dataset.takes),
            names=", ".join(dataset.takes),
            label=dataset.label,
            ending=dataset.ending,
        )

    def hparams(self, method):
        """The yaml file of a method, flat.

        Arguments
        ---------
        method : str
            Its name.

        Returns
        -------
        str
            In yaml.
        """
        text = export(self.here / HPARAMS / f"{method}.yaml")
        if load_yaml(text, method)["pooling"]["mode"] != "all":
            raise InputError(f"{method}: only the mean of all tokens is there")
        own = {name: _plain(entry(text, name)) for name in OURS}
        wrap = entry(text, "petl", "wrap").replace("wrap:", "wrappers:", 1)
        train = entry(text, "petl", "train")
        made = fill_in(
            "hparams.txt",
            **own,
            header=header_of(text).replace(" (see README.md)", ""),
            data=self.dataset.lines,
            method=method,
            epochs=_plain(entry(text, "epochs")).partition(": ")[2],
            wrappers=_plain(wrap),
            unfrozen=_plain(train).replace("train:", "unfrozen_parameters:", 1),
        )
        for here, there in classes_there().items():
            made = re.sub(rf"\b{re.escape(here)}\b", there, made)
        lost = re.search(r"speechbrain_petl\.\w+", made)
        if lost:
            raise InputError(
                f"{method}: {lost[0]} is not among what SpeechBrain gets: "
                f"{', '.join(sorted(classes_there()))}"
            )
        return made


def _method(text, brain, name):
    """A method of a class as it is written, for SpeechBrain's modules."""
    node = next(n for n in brain.body if getattr(n, "name", "") == name)
    lines = text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]
    found = "".join(lines)
    for ours, theirs in STEPS.items():
        found = found.replace(ours, theirs)
    return found.rstrip("\n")


def _plain(text):
    """An entry without comments that speak of this project.

    And for a torch that has no fused optimizer on the CPU.
    """
    lines = text.replace("\n    fused: True", "").split("\n")
    return "\n".join(
        re.sub(r"\s+#.*(petl|glob).*|\s+# see .*|; for your .*", "", x)
        for x in lines
    )
