"""Any tuner of Hugging Face PEFT as a wrapper (https://github.com/huggingface/peft)."""

import torch
from torch import nn

from speechbrain.nnet.adapters import replace_module

from ..errors import InputError, did_you_mean
from .peft_start import kept_weights, merge, take_off


class PEFT(nn.Module):
    """A module into which PEFT injects one of its tuners.

    For the methods of PEFT that this package does not have, LoHa and OFT for
    example. PEFT is an extra dependency. The pretrained weights stay as they
    are, also with a start that takes a part of them (PiSSA, OLoRA).

    Arguments
    ---------
    target_module : torch.nn.Module
        The pretrained layer, or a module that holds some.
    tuner : str
        Name of the method as PEFT spells it: "LOHA", "OFT", "HRA", ...
    targets : str or list of str, optional
        Which layers inside the module; by default the module itself.
    **options : dict
        Passed on to PEFT's configuration of this tuner.

    Example
    -------
    >>> layer = PEFT(nn.Linear(32, 32), "LOHA", r=4, alpha=4)
    >>> layer(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, target_module, tuner, targets=None, **options):
        super().__init__()
        peft = _import_peft()
        configs = {str(t.value): t for t in peft.PEFT_TYPE_TO_CONFIG_MAPPING}
        if tuner not in configs:
            raise InputError(
                f"PEFT: tuner={tuner!r} is not a method of peft "
                f"{peft.__version__}.{did_you_mean(tuner, configs)}"
            )
        self.pretrained_module = target_module
        for name in ("in_features", "out_features"):
            if hasattr(target_module, name):
                setattr(self, name, getattr(target_module, name))
        config = peft.PEFT_TYPE_TO_CONFIG_MAPPING[configs[tuner]](
            target_modules=targets or ["pretrained_module"], **options
        )
        init = options.get("init_lora_weights")
        with kept_weights(target_module, init) as changed:
            # into this wrapper, so that the module itself is replaced
            peft.inject_adapter_in_model(config, self)
        for _, layer in self._tuned():
            take_off(layer, changed, init)

    def train(self, mode=True):
        """As of any module, but LoHa and LoKr without dropout draw no number.

        To leave out a module they draw one on the CPU in each step, and branch.
        """
        super().train(mode)
        for layer in self.modules():
            dropouts = getattr(layer, "module_dropout", None)
            if isinstance(dropouts, dict):
                shares = *dropouts.values(), *layer.rank_dropout.values()
                layer.training = mode and any(shares)
        return self

    def forward(self, *args, **kwargs):
        """Whatever the module computes, tuned."""
        return self.pretrained_module(*args, **kwargs)

    @torch.no_grad()
    def merge(self):
        """Fold what was learned into the pretrained module, and return that.

        With a tuner that PEFT cannot merge, the wrapper is returned.
        """
        tuned = self._tuned()
        try:
            for _, layer in tuned:
                merge(layer)
        except NotImplementedError:
            return self
        for name, layer in tuned:
            replace_module(self, name, layer.get_base_layer())
        return self.pretrained_module

    def _tuned(self):
        layer_of = _import_peft().tuners.tuners_utils.BaseTunerLayer
        return [
            (name, layer)
            for name, layer in self.named_modules()
            if isinstance(layer, layer_of)
        ]


def _import_peft():
    """PEFT is imported where it is used: it is an extra dependency."""
    try:
        import peft
    except ImportError as error:
        raise InputError(
            "PEFT: the package peft is not installed. "
            "pip install speechbrain_petl[peft]"
        ) from error
    return peft
