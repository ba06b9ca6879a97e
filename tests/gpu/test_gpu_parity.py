"""Every method on every encoder: what a GPU computes is what a CPU does."""

import copy

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from encoder_methods import ENCODERS, SAMPLES, method_of
from on_gpu import DEVICE, autocast, off
from speechbrain_petl import Augment, Fbank, Mixup, SpecAugment
from speechbrain_petl.lobes.log_mel import LogMel
from speechbrain_petl.lobes.waveform import Waveform

pytestmark = pytest.mark.gpu
FURTHEST = {  # precision -> of the tokens, of the gradients
    "fp32": (1e-3, 1e-2),
    "bf16": (0.05, 0.25),
}
every_precision = pytest.mark.parametrize("precision", FURTHEST)


def computed(adapted, inputs, device, precision):
    """Tokens, and the gradients of all that trains."""
    adapted = copy.deepcopy(adapted).to(device)
    inputs = [value.to(device) for value in inputs]
    with autocast(precision):
        tokens = adapted(*inputs).float()
    # no constant: a LayerNorm at the end would take it away
    weights = torch.linspace(-1, 1, tokens.numel(), device=device)
    (tokens.flatten() * weights).sum().backward()
    grads = {
        n: p.grad for n, p in adapted.named_parameters() if p.requires_grad
    }
    return tokens, grads


def check(adapted, inputs, precision):
    """On the CPU in fp32, and on the GPU."""
    adapted.eval()  # no dropout: each device draws its own
    expected, wanted = computed(adapted, inputs, "cpu", "fp32")
    tokens, grads = computed(adapted, inputs, DEVICE, precision)
    of_tokens, of_grads = FURTHEST[precision]
    assert off(tokens, expected) < of_tokens
    whole = [
        torch.cat([g[name].detach().cpu().flatten() for name in wanted])
        for g in (grads, wanted)
        if all(value is not None for value in g.values())
    ]
    assert len(whole) == 2 and off(*whole) < of_grads


@every_precision
@pytest.mark.parametrize("name", METHODS)
def test_methods(name, precision):
    """On the AST."""
    check(METHODS[name].adapt(tiny_ast()), [spectrograms()], precision)


@every_precision
@pytest.mark.parametrize("name", ["lora", "prefix", "conformer", "soft_moa"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoders(encoder, name, precision):
    """With padding; the tokens of padding have no meaning."""
    made = ENCODERS[encoder]
    adapted = method_of(encoder, name).adapt(made.make())
    lengths = torch.tensor([max(SAMPLES)] * 2).float()
    inputs = made.features([max(SAMPLES)] * 2), lengths
    check(adapted, inputs, precision)


@pytest.mark.parametrize(
    "front", [Fbank(frames=100), LogMel(seconds=1.0), Waveform(seconds=1.0)]
)
def test_front_ends(front):
    """In fp32, whatever autocast says."""
    wavs, wav_lens = torch.randn(3, 16000) / 10, torch.tensor([1.0, 0.7, 0.2])
    expected = front(wavs, wav_lens)
    with autocast("bf16"):
        found = front.to(DEVICE)(wavs.to(DEVICE), wav_lens.to(DEVICE))
    assert found.dtype == torch.float32
    assert off(found, expected) < 1e-3
    front.to("cpu")


def test_augmentation():
    """Draws on the device, and every clip its own."""
    chain = Augment([SpecAugment(mels=24, frames=20), Mixup(share=1.0)])
    x, targets = torch.ones(8, 100, 128), torch.eye(8)
    x, targets = chain(x.to(DEVICE), targets.to(DEVICE))
    assert x.device.type == targets.device.type == DEVICE
    assert len({tuple(row.tolist()) for row in targets}) > 1
