"""Tiny ViTs, and the state dicts that their authors' models of that size have.

All numbers are made by a rule, so that no file is needed to compare with what
the originals compute of them.
"""

import zlib

import torch
from speechbrain_petl import ViT
from speechbrain_petl.weights.convert_vit import from_vit

DIM, DEPTH, HEADS = SIZE = (32, 2, 4)
INIT_BN = {
    "weight": (64,),
    "bias": (64,),
    "running_mean": (64,),
    "running_var": (64,),
    "num_batches_tracked": (),
}


def rule(name, shape):
    """The values of a tensor: sines of the squares of their places."""
    count = torch.Size(shape).numel()
    place = torch.arange(1, count + 1, dtype=torch.float64)
    offset = zlib.crc32(name.encode()) % 1000
    x = torch.sin(0.37 * place**2 + offset).reshape(shape)
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if name.endswith("running_var"):
        return (400 * (1 + 0.5 * x)).float()
    if name.endswith("running_mean"):
        return (20 * x - 20).float()
    if "norm" in name or "bn" in name or len(shape) < 2:
        return (0.2 * x + float(name.endswith("weight"))).float()
    if "pos" in name or "token" in name:
        return (0.5 * x).float()
    return (1.4 * x / (count / shape[0]) ** 0.5).float()


def waveforms(count=2, samples=17000):
    """Clips (batch, sample) by the rule, of two loudnesses."""
    clips = [rule(f"clip {i}", (samples,)) for i in range(count)]
    return torch.stack(clips) * torch.tensor([[1.0], [0.1]])[:count]


def spectrogram(frames=100, mels=128):
    """A spectrogram (1, frame, mel) by the rule."""
    return 5 * rule("spectrogram", (1, frames, mels))


def _block(i, gated=False):
    return {
        **{f"blocks.{i}.norm{n}.{p}": (DIM,) for n in "12" for p in PARTS},
        **_linear(f"blocks.{i}.attn.qkv", 3 * DIM, DIM),
        **_linear(f"blocks.{i}.attn.proj", DIM, DIM),
        **(_linear(f"blocks.{i}.attn.gate", DIM, DIM) if gated else {}),
        **_linear(f"blocks.{i}.mlp.fc1", 4 * DIM, DIM),
        **_linear(f"blocks.{i}.mlp.fc2", DIM, 4 * DIM),
    }


PARTS = ("weight", "bias")


def _linear(name, outputs, inputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name):
    return {f"{name}.{part}": (DIM,) for part in PARTS}


def _xiaomi(conv, columns, rows):
    return {
        **{f"init_bn.1.{name}": shape for name, shape in INIT_BN.items()},
        "patch_embed.proj.weight": conv,
        "patch_embed.proj.bias": (DIM,),
        "time_pos_embed": (1, DIM, 1, columns),
        "freq_pos_embed": (1, DIM, rows, 1),
        **_norm("norm"),
    }


IMAGE = "modality_encoders.IMAGE."
EAT = {
    f"{IMAGE}extra_tokens": (1, 1, DIM),
    f"{IMAGE}local_encoder.proj.weight": (DIM, 1, 16, 16),
    f"{IMAGE}local_encoder.proj.bias": (DIM,),
    f"{IMAGE}fixed_positional_encoder.positions": (1, 768 * 8, DIM),
    **_norm(f"{IMAGE}context_encoder.norm"),
}
PATCHES = {
    "cls_token": (1, 1, DIM),
    "patch_embed.proj.weight": (DIM, 1, 16, 16),
    "patch_embed.proj.bias": (DIM,),
}
# family -> what its authors' model holds besides its blocks
THEIRS = {
    "ced": _xiaomi((DIM, 1, 16, 16), 63, 4),
    "dasheng": _xiaomi((DIM, 1, 64, 4), 252, 1),
    "eat": EAT,
    "bat": {**PATCHES, "pos_embed": (1, 512, DIM), **_norm("pre_norm")},
    "audiomae": {**PATCHES, "pos_embed": (1, 513, DIM), **_norm("norm")},
}


def theirs(family):
    """A state dict with its authors' names, by the rule."""
    shapes = dict(THEIRS[family])
    for i in range(DEPTH):
        shapes |= _block(i, gated=family == "bat")
    return {name: rule(name, shape) for name, shape in shapes.items()}


def ours(family="ced", **options):
    """A tiny ViT, with the weights of the rule."""
    encoder = ViT(SIZE, family, **options)
    encoder.load_state_dict(from_vit(encoder, theirs(family), {}))
    return encoder
