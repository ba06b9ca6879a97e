"""Attach a PETL method to any encoder: freeze, wrap by name, keep what changed.

A method is a mapping from module names to wrappers, plus the names of the
parameters that stay trainable.
"""

import torch
from torch import nn

from speechbrain.nnet.adapters import replace_module
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    mark_as_transfer,
    register_checkpoint_hooks,
)

from ..errors import InputError
from .globs import match
from .sites import begin, wrapped

BATCH_NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
)


@register_checkpoint_hooks
class AdaptedEncoder(nn.Module):
    """An encoder with all its weights frozen but those a PETL method trains.

    Both kinds of globs are resolved on the encoder as it is handed in, so
    they mean what ``print(encoder)`` shows. ``|`` separates alternatives, of
    which one must match, and ``*`` crosses dots: ``blocks.?|blocks.??`` are
    the blocks, ``blocks.*`` is everything inside them.
    ``blocks.-1`` is the last one, ``blocks.-[123].*`` is what the last three
    hold, whatever the depth.

    Arguments
    ---------
    encoder : torch.nn.Module
        The pretrained encoder. It is changed in place.
    wrap : dict
        Glob over module names -> wrapper, a callable that takes the module
        and returns its replacement.
    train : list of str
        Globs over the names of parameters that stay trainable.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_petl import AST, LoRA
    >>> encoder = AST((32, 2, 2), frames=64)
    >>> lora = partial(LoRA, rank=2, parts="qv")
    >>> adapted = AdaptedEncoder(
    ...     encoder, wrap={"blocks.*.attn.qkv": lora}, train=["norm.*"]
    ... )
    >>> adapted(torch.randn(3, 64, 128)).shape
    torch.Size([3, 62, 32])
    >>> sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    576
    """

    def __init__(self, encoder, wrap=None, train=()):
        super().__init__()
        if not isinstance(train, (list, tuple)):
            what = f"{train!r} is no list of globs: write [{train!r}]"
            raise InputError(f"petl: train: {what}")
        if not isinstance(wrap or {}, dict):
            raise InputError(
                f"petl: wrap: {wrap!r} is no mapping, glob: wrapper"
            )
        parameters = dict(encoder.named_parameters())
        trained = {
            n for g in train for n in match(g, parameters, "petl: train")
        }
        sites = _sites(encoder, wrap or {})
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in trained)
        for wrapper in (wrap or {}).values():
            begin(wrapper)
        # inner sites first, so that an outer wrapper holds the wrapped inner
        for name in sorted(sites, key=lambda n: -n.count(".")):
            module = encoder.get_submodule(name)
            was = [(p, p.requires_grad) for p in module.parameters()]
            replace_module(encoder, name, wrapped(sites[name], module, name))
            # SpeechBrain's adapters freeze what they wrap, `train` included
            for parameter, required in was:
                parameter.requires_grad_(required)
        self.encoder = encoder
        self.sites = sorted(sites)
        self.instead = None  # computes what the encoder would: training/cache

    def forward(self, *args, **kwargs):
        """Whatever the encoder computes, adapted."""
        return (self.instead or self.encoder)(*args, **kwargs)

    def train(self, mode=True):
        """As ``torch.nn.Module.train``, but a frozen BatchNorm stays frozen."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, BATCH_NORMS):
                own = list(module.parameters(recurse=False))
                if own and not any(p.requires_grad for p in own):
                    module.eval()
        return self

    def adapter_state(self):
        """The state minus the frozen parameters.

        Name -> detached tensor. Buffers are in it (BatchNorm statistics are
        learned too), the frozen weights are not.
        """
        return {
            name: value.detach()
            for name, value in self.state_dict(keep_vars=True).items()
            if value.requires_grad or not isinstance(value, nn.Parameter)
        }

    def load_adapter_state(self, state, source="the adapter state"):
        """Load what ``adapter_state`` returned, checking names and shapes.

        ``source`` is where it comes from, for the error message.
        """
        own = self.adapter_state()
        wrong = [f"{n} is missing" for n in own.keys() - state.keys()]
        wrong += [f"{n} is not known here" for n in state.keys() - own.keys()]
        wrong += [
            f"{n} has shape {tuple(state[n].shape)}, not {tuple(own[n].shape)}"
            for n in own.keys() & state.keys()
            if own[n].shape != state[n].shape
        ]
        if wrong:
            raise InputError(
                f"{source} belongs to another method or encoder size: "
                f"{'; '.join(sorted(wrong)[:3])}"
                f"{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''}. "
                "Use the yaml file it was trained with, or another "
                "output_folder."
            )
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state[name])

    @mark_as_saver
    def _save(self, path):
        torch.save(self.adapter_state(), path)

    @mark_as_loader
    def _load(self, path, end_of_epoch):
        del end_of_epoch
        self._transfer(path)

    @mark_as_transfer
    def _transfer(self, path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.load_adapter_state(state, source=str(path))

    def merge(self):
        """Fold the wrappers that can be folded into the weights they wrap.

        Returns the encoder, a plain one if every wrapper could be merged.
        """
        wrappers = [
            (name, module)
            for name, module in self.encoder.named_modules()
            if hasattr(module, "pretrained_module") and hasattr(module, "merge")
        ]
        # inner ones first, wherever an outer wrapper has moved them
        for name, wrapper in reversed(wrappers):
            replace_module(self.encoder, name, wrapper.merge())
        return self.encoder


def count_parameters(module):
    """How many parameters a module has, and how many of them train.

    Arguments
    ---------
    module : torch.nn.Module
        Any module.

    Returns
    -------
    tuple of int
        (trainable, total)

    Example
    -------
    >>> count_parameters(nn.Linear(3, 2).requires_grad_(False))
    (0, 8)
    """
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(n for n, train in sizes if train), sum(n for n, _ in sizes)


def _sites(encoder, wrap):
    modules = [name for name, _ in encoder.named_modules()]
    sites, globs = {}, {}
    for glob, wrapper in wrap.items():
        found = match(glob, modules, "petl: wrap")
        for name in found:
            inside = next((m for m in found if m.startswith(f"{name}.")), None)
            if inside:
                raise InputError(
                    f"petl: wrap: the glob {glob!r} matches {name} and "
                    f"{inside} inside it. `*` crosses dots: write "
                    "`blocks.?|blocks.??` for the blocks themselves."
                )
            if name in sites:
                raise InputError(
                    f"petl: wrap: {name} is matched by {globs[name]!r} and "
                    f"by {glob!r}. Wrap it once."
                )
            sites[name], globs[name] = wrapper, glob
    return sites
