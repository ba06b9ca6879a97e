"""Probes: nothing trains before the pooling, or but the weights of the layers.

What is stored is then what the encoder returns, or what each of its layers
does; where the pooling is a mean, and nothing but sums is in between, the mean.
It works with any encoder, since none is started in its midst: the adapted
encoder passes on what is stored.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ...adapters.adapted import AdaptedEncoder
from ...adapters.probe import WeightedLayers
from ...errors import InputError
from ...lobes.clip_mean import ClipMean
from ...lobes.pooling import Pooling
from .stored import Stored

MEANS = (Pooling, ClipMean)  # they learn nothing
NUMBERS = (int, float, str, bool, tuple, type(None))


@dataclass
class Probe:
    """What is stored for a probe, and how a training goes on from it.

    Arguments
    ---------
    adapted : AdaptedEncoder
        The encoder.
    mix : WeightedLayers or None
        Of its layers, if these are what is stored.
    is_mean : bool
        Whether means over the tokens are enough.
    """

    adapted: AdaptedEncoder
    mix: WeightedLayers | None
    is_mean: bool

    def computed(self, modules, features, samples):
        """What is stored of a batch: of each token, or the mean of them.

        Features (batch, ...) and samples (batch,) to (batch, token, dim) or
        (batch, token, layer, dim), not a number after the end of a clip; or
        the same without tokens.
        """
        values = self._values(features, samples)
        if self.is_mean:
            parts = values.unbind(2) if self.mix else [values]
            means = [modules.pooling(part, samples) for part in parts]
            return torch.stack(means, 1) if self.mix else means[0]
        counts_of = getattr(modules.pooling, "tokens_of", None)
        if counts_of is None:
            return _half(values)
        longest = torch.tensor([float(modules.fbank.samples)])
        missing = int(counts_of(longest)) - values.shape[1]
        room = [0, 0] * (values.dim() - 2)
        values = F.pad(_half(values), [*room, 0, missing])
        ends = counts_of(samples).unsqueeze(1)
        past = torch.arange(values.shape[1], device=values.device) >= ends
        values[past] = torch.nan
        return values

    def _values(self, features, samples):
        if self.mix is None:
            return self.adapted(features, samples)
        found = []

        def _keep(*args, **kwargs):
            found.append(self.mix.layers(*args, **kwargs))
            return found[0][:, :, -1]

        self.mix.forward = _keep
        try:
            self.adapted(features, samples)
        finally:
            del self.mix.forward
        return found[0]

    @contextmanager
    def standing_in(self, brain):
        """A Brain that goes on from what is stored."""
        fbank, pooling = brain.modules["fbank"], brain.modules["pooling"]
        counts_of = getattr(pooling, "tokens_of", None)
        brain.modules["fbank"] = Stored(fbank)
        self.adapted.instead = self._go_on
        if self.is_mean:
            brain.modules["pooling"] = Stored(pooling)
        elif counts_of:  # the lengths are those of what is stored
            pooling.tokens_of = _rounded
        try:
            yield
        finally:
            brain.modules["fbank"], self.adapted.instead = fbank, None
            brain.modules["pooling"] = pooling
            if counts_of:
                pooling.tokens_of = counts_of

    def _go_on(self, stored, samples=None):
        if self.mix is None:
            return stored
        return self.adapted.encoder.finish(self.mix.mixed(stored))

    def what_computes(self, modules):
        """All that it depends on but clips and front end, as ``frozen`` has it."""
        settings = {
            name: sorted(
                (key, repr(value))
                for key, value in vars(module).items()
                if key != "training" and isinstance(value, NUMBERS)
            )
            for name, module in self.adapted.named_modules()
        }
        kind = [self.mix is not None, self.is_mean, repr(modules.pooling)]
        kind.append(repr(getattr(modules.pooling, "tokens", None)))
        state = {
            name: value
            for name, value in self.adapted.state_dict(keep_vars=True).items()
            if not value.requires_grad
        }
        return {"probe": kind, "modules": settings}, state


def probe_of(modules):
    """What could be stored for a probe.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        "fbank", "encoder" and "pooling".

    Returns
    -------
    Probe or None
        None where the method is none.
    """
    adapted, pooling = modules.encoder, modules.pooling
    if not isinstance(adapted, AdaptedEncoder):
        return None
    if not isinstance(pooling, Pooling) and not hasattr(pooling, "tokens_of"):
        return None
    encoder, mix = adapted.encoder, None
    trained = {p for p in adapted.parameters() if p.requires_grad}
    mixes = [m for m in adapted.modules() if isinstance(m, WeightedLayers)]
    is_mean = type(pooling) in MEANS
    if len(mixes) == 1 and hasattr(encoder, "finish"):
        mix = mixes[0]
        token = torch.zeros(1, 1, encoder.dim).to(mix.logits)
        is_mean &= not mix.normalise and encoder.finish(token) is token
        trained -= {mix.logits, *_used(encoder.finish, token, trained)}
    if trained or _changes_in_training(modules):
        return None
    return Probe(adapted, mix, is_mean)


def _used(function, x, parameters):
    """The parameters that a function of tokens (batch, token, dim) needs."""
    parameters = list(parameters)
    with torch.enable_grad():
        y = function(x.clone().requires_grad_())
        found = torch.autograd.grad(y.sum(), parameters, allow_unused=True)
    return {p for p, slope in zip(parameters, found) if slope is not None}


def _changes_in_training(modules):
    """Whether dropout, masking or merging make other tokens in evaluation."""
    adapted, was_training = modules.encoder, modules.encoder.training
    device = next(adapted.parameters()).device
    draw = torch.Generator().manual_seed(0)
    wav = torch.randn(1, modules.fbank.samples, generator=draw).to(device)
    lengths, samples = torch.ones(1), torch.tensor([float(wav.shape[1])])
    found = []
    with torch.random.fork_rng(), torch.no_grad():
        features = modules.fbank(wav, lengths.to(device))
        for mode in (True, False):
            adapted.train(mode)
            found.append(adapted(features, samples.to(device)))
    adapted.train(was_training)
    return found[0].shape != found[1].shape or not torch.allclose(*found)


def _half(values):
    half = values.half()
    if values.isfinite().all() and not half.isfinite().all():
        raise InputError(
            f"cache=frozen: tokens of up to {values.abs().max():.0f} are too "
            "large for 16 bits: leave cache=null"
        )
    return half


def _rounded(counts):
    return counts.round().long()
