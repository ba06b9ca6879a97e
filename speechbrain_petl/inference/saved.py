"""A description and learned tensors: what inference builds its modules of."""

import math
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ..adapters.adapted import AdaptedEncoder
from ..errors import InputError, check_arguments
from ..lobes.pooling import embedding_dim
from ..weights.adapter_files import ACTIVATION, SIZE, TEMPERATURE, load_weights
from ..weights.kept_base import load_base
from .building import build
from .description import MODULES
from .pretrained import load_pretrained

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
        Activation, temperature, hash and size of the base.
    path : str
        Where they come from.
    trust : bool
        As for ``building.build``.
    base_file : pathlib.Path, optional
        The weights of the base, where nobody else has them.
    """

    description: dict
    tensors: dict
    metadata: dict
    path: str
    trust: bool = False
    base_file: Path | None = None

    @property
    def activation(self):
        """What makes probabilities of the logits: "softmax" or "sigmoid"."""
        activation = self.metadata.get(ACTIVATION)
        if activation not in ACTIVATIONS:
            raise InputError(
                f"{self.path}: the activation {activation!r} is not one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        return activation

    @property
    def temperature(self):
        """What logits are divided by before; 1 where none was fitted."""
        said = self.metadata.get(TEMPERATURE, "1")
        try:
            temperature = float(said)
        except ValueError:
            temperature = math.nan
        if not 0 < temperature < math.inf:
            raise InputError(
                f"{self.path}: the temperature {said!r} is no number above 0"
            )
        return temperature

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
        if source:
            self.base_file = None  # another base was asked for
        with self._building():
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
                f"{self.path} adapts {source}, give its file or folder as "
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
        with self._building():
            for key in (*MODULES, "petl", "classifier"):
                known[key] = build(described[key], known, self.trust)
            made = {key: known[key] for key in MODULES}
            check_arguments(
                AdaptedEncoder, encoder, **known["petl"], key="petl"
            )
            made["encoder"] = AdaptedEncoder(encoder, **known["petl"])
            classes = len(described["labels"])
            dim = embedding_dim(encoder, known["pooling"])
            made["classifier"] = known["classifier"](dim, classes)
        if self.base_file:
            load_base(made["encoder"], self.base_file)
        load_weights(made, self.tensors, self.metadata, self.path)
        return made

    @contextmanager
    def _building(self):
        """The random numbers go on as before; any error is the description's.

        A description may say anything to any class, each of which has its own
        errors.
        """
        with torch.random.fork_rng(devices=[]):
            try:
                yield
            except InputError as error:
                raise InputError(f"{self.path}: {error}") from error
            except Exception as error:
                raise InputError(
                    f"{self.path} cannot be built as it is described: "
                    f"{type(error).__name__}: {error}"
                ) from error
