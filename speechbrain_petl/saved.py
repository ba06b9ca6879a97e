"""A finished run, or an adapter folder made of one: what inference is built of.

An adapter folder holds adapter.json, the description, and adapter.safetensors,
the learned tensors.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from speechbrain.utils.fetching import fetch

from .adapted import AdaptedEncoder
from .adapter_files import (
    ACTIVATION,
    FORMAT,
    SIZE,
    WEIGHTS,
    load_weights,
    read_weights,
)
from .building import build
from .description import KEYS, MODULES, OPTIONAL, describe
from .errors import InputError
from .lobes.weights import load_pretrained
from .results import RESULT

HPARAMS, DESCRIPTION = "hyperparams.yaml", "adapter.json"
ACTIVATIONS = ("softmax", "sigmoid")


@dataclass
class Saved:
    """The description and the learned tensors of an adapted classifier.

    Arguments
    ---------
    description : dict
        As ``description.describe`` returns it.
    tensors : dict
        Name of the module -> name -> tensor.
    metadata : dict
        Activation, hash and size of the base.
    place : str
        Where they come from.
    trust : bool
        As for ``building.build``.
    """

    description: dict
    tensors: dict
    metadata: dict
    place: str
    trust: bool = False

    @property
    def activation(self):
        """What makes probabilities of the logits.

        Returns
        -------
        str
            "softmax" or "sigmoid".
        """
        activation = self.metadata.get(ACTIVATION)
        if activation not in ACTIVATIONS:
            raise InputError(
                f"{self.place}: the activation {activation!r} is not one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        return activation

    def base(self, source=None):
        """The pretrained encoder, before any method is attached.

        Arguments
        ---------
        source : str, optional
            Where its weights are, if not where the description says.

        Returns
        -------
        torch.nn.Module
            The encoder. The state of the random numbers is as before.
        """
        described = self.description
        with torch.random.fork_rng(devices=[]):
            # without a source, a run draws its weights right after seeding
            torch.manual_seed(described["seed"] or 0)
            encoder = build(described["encoder"], trust=self.trust)
        if self.metadata.get(SIZE) == "0":
            return encoder  # all of it has been learned
        revision = None if source else described.get("revision")
        source = source or described["source"]
        try:
            return load_pretrained(encoder, source, revision)
        except InputError as error:
            raise InputError(
                f"{self.place} adapts {source}, give its file or folder as "
                f"base=... (--base=...): {error}"
            )

    def modules(self, encoder):
        """All modules, with what has been learned.

        Arguments
        ---------
        encoder : torch.nn.Module
            As ``base`` returns it; the method is attached to it.

        Returns
        -------
        dict
            fbank, encoder, pooling and classifier.
        """
        described, known = self.description, {"encoder": encoder}
        with torch.random.fork_rng(devices=[]):
            for key in (*MODULES, "petl", "classifier"):
                known[key] = build(described[key], known, self.trust)
            made = {key: known[key] for key in MODULES}
            made["encoder"] = AdaptedEncoder(encoder, **known["petl"])
            classes = len(described["labels"])
            made["classifier"] = known["classifier"](encoder.dim, classes)
        load_weights(made, self.tensors, self.metadata, self.place)
        return made


def read_run(folder, trust=False):
    """Read a finished run.

    Arguments
    ---------
    folder : str or os.PathLike
        The output_folder of the run.
    trust : bool
        Build classes of any package, as the run's own code did.

    Returns
    -------
    Saved
        What it has learned.
    """
    folder = Path(folder).expanduser()
    if not (folder / HPARAMS).is_file():
        what = f"holds no {HPARAMS}" if folder.is_dir() else "is no folder"
        raise InputError(
            f"{folder} {what}: give the output_folder of a finished run"
        )
    if not (folder / RESULT).is_file():
        raise InputError(
            f"{folder} holds no {RESULT}: the run is not finished. Go on with "
            "it by the command that started it."
        )
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(
            f"{folder} holds no {WEIGHTS}: its command with --test_only added "
            "writes one"
        )
    description = describe(folder / HPARAMS)
    return Saved(description, *read_weights(weights), str(folder), trust)


def read_adapter(source, trust=False, **fetching):
    """Read an adapter folder, from here or from the Hugging Face hub.

    Arguments
    ---------
    source : str or os.PathLike
        A folder, or the id of a repository.
    trust : bool
        Build classes of any package.
    **fetching : dict
        Arguments of ``speechbrain.utils.fetching.fetch``: savedir,
        fetch_config (with the revision), ...

    Returns
    -------
    Saved
        What was learned.
    """
    path = _file(source, DESCRIPTION, fetching)
    try:
        described = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = {*KEYS, *MODULES, *OPTIONAL, "labels"} - described.keys()
        if missing or described["format"] != FORMAT:
            raise ValueError(f"it has no {', '.join(missing) or FORMAT}")
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} describes no adapter: {error}")
    weights = read_weights(_file(source, WEIGHTS, fetching))
    return Saved(described, *weights, str(source), trust)


def read_saved(source, trust=False, **fetching):
    """Read a finished run, an adapter folder or a repository of one.

    Arguments
    ---------
    source : str or os.PathLike
        Where it is.
    trust : bool
        Build classes of any package.
    **fetching : dict
        As for ``read_adapter``.

    Returns
    -------
    Saved
        What was learned.
    """
    if (Path(source).expanduser() / HPARAMS).is_file():
        return read_run(source, trust)
    return read_adapter(source, trust, **fetching)


def _file(source, name, fetching):
    folder = Path(source).expanduser()
    if folder.is_dir():
        if (folder / name).is_file():
            return folder / name
        raise InputError(
            f"{folder} holds neither {name} nor {HPARAMS}: give a finished "
            "run, or a folder that speechbrain_petl.share has written"
        )
    if str(source).startswith((".", "/", "~")) or str(source).count("/") != 1:
        raise InputError(f"there is no folder {source}")
    # each version of the hub's client has its own network errors
    try:
        return fetch(name, str(source), **fetching)
    except Exception as error:
        reason = str(error).splitlines() or [""]
        raise InputError(
            f"{source} is no folder here, and its {name} cannot be fetched "
            f"from the Hugging Face hub: {type(error).__name__}: {reason[0]}"
        ) from error
