"""The papers' models as formulas, on the tensors of ours.

Written from what the released modules compute (see docs/reproduce.md for where
they are), as functions of tensors: no code of theirs, and none of ours. What they
mean to compute and do not (docs/robustness.md) is as published here.
"""

import torch
from torch.nn import functional as F


def plain(module):
    """Without what is wrapped around it."""
    while hasattr(module, "pretrained_module"):
        module = module.pretrained_module
    return module


def linear(x, layer):
    return F.linear(x, layer.weight, layer.bias)


def norm(x, layer):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    x = (x - mean) / torch.sqrt(variance + layer.eps)
    return x * layer.weight + layer.bias


def embed(ast, x):
    """Patches of (batch, frame, mel), class tokens, positions."""
    image = x.transpose(1, 2)[:, None]
    conv = ast.patch_embed["proj"]
    patches = F.unfold(image, 16, stride=conv.stride)
    patches = conv.weight.flatten(1) @ patches + conv.bias[:, None]
    first = torch.cat([ast.cls_token, ast.dist_token], 1)
    tokens = torch.cat([first.repeat(len(x), 1, 1), patches.mT], 1)
    return tokens + ast.pos_embed


def attention(x, attn, prefix=None, lora=None):
    """Softmax(q k^T / sqrt(d)) v, with LoRA's products and learned rows."""
    attn = plain(attn)
    qkv = plain(attn.qkv)
    weights, biases = qkv.weight.chunk(3), qkv.bias.chunk(3)
    parts = [F.linear(x, w, b) for w, b in zip(weights, biases)]
    if lora:
        letters, scale = lora
        for down, up, letter in zip(attn.qkv.down, attn.qkv.up, letters):
            part = "qkv".index(letter)
            parts[part] = parts[part] + scale * (x @ down.T @ up.T)
    if prefix is not None:
        keys, values = prefix.chunk(2, dim=1)
        for part, rows in ((1, keys), (2, values)):
            rows = rows.expand(len(x), -1, -1)
            y = parts[part]
            parts[part] = torch.cat([y[:, :1], rows, y[:, 1:]], 1)
    q, k, v = (
        p.unflatten(2, (attn.num_heads, -1)).transpose(1, 2) for p in parts
    )
    scores = q @ k.mT / q.shape[-1] ** 0.5
    y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    if hasattr(attn.proj, "down"):
        low = y @ attn.proj.down[0].T @ attn.proj.up[0].T
        return linear(y, plain(attn.proj)) + attn.proj.scale * low
    return linear(y, attn.proj)


def feed_forward(x, mlp):
    mlp = plain(mlp)
    h = linear(x, mlp.fc1)
    return linear(h * 0.5 * (1 + torch.erf(h / 2**0.5)), mlp.fc2)


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def bottleneck(x, block):
    return linear(gelu(linear(x, block.down)), block.up)


def convpass(x, block):
    """Its convolution used; in evaluation, so without dropout."""

    def act(y):
        return y * torch.sigmoid(1.702 * y)

    h = act(linear(x, block.down)).transpose(1, 2)
    h = F.conv1d(F.pad(h, (1, 1)), block.conv.weight, block.conv.bias)
    return linear(act(h.transpose(1, 2)), block.up)


def conformer(x, block):
    """Its LayerNorm used; BatchNorm in evaluation; padding="same"."""
    a, gate = linear(norm(x, block.norm), block.expand).chunk(2, -1)
    h = (a * torch.sigmoid(gate)).transpose(1, 2)
    kernel = block.depthwise.weight.shape[2]
    h = F.pad(h, ((kernel - 1) // 2, kernel - 1 - (kernel - 1) // 2))
    windows = h.unfold(2, kernel, 1)  # (batch, channel, token, tap)
    h = (windows * block.depthwise.weight[:, 0][None, :, None]).sum(-1)
    h = h + block.depthwise.bias[:, None]
    b = block.batch_norm
    h = (h - b.running_mean[:, None]) / torch.sqrt(
        b.running_var[:, None] + b.eps
    )
    h = h * b.weight[:, None] + b.bias[:, None]
    return linear((h * torch.sigmoid(h)).transpose(1, 2), block.project)


def experts_of(mixture, expert):
    """Each expert as a function."""
    e = mixture.experts
    if hasattr(e, "down"):
        return [
            lambda x, i=i: F.linear(
                gelu(F.linear(x, e.down[i], e.down_bias[i])),
                e.up[i].T,
                e.up_bias[i],
            )
            for i in range(len(e.down))
        ]
    return [lambda x, block=block: expert(x, block) for block in e]


def dense(expert):
    """sum_e p_e(x) A_e(x)."""

    def block(x, mixture):
        weights = linear(x, mixture.router).softmax(-1)
        outputs = [f(x) for f in experts_of(mixture, expert)]
        return sum(weights[..., i, None] * y for i, y in enumerate(outputs))

    return block


def soft(expert, normalise=False):
    """C A(D^T X); "released" feeds the experts directions, True does not."""

    def block(x, mixture):
        experts, slots = mixture.shape
        phi = mixture.phi.unflatten(1, (experts, slots))
        directions = x / (x.norm(dim=-1, keepdim=True) + 1e-6)
        seen = x
        if normalise == "released":
            phi = phi / (phi.norm(dim=1, keepdim=True) + 1e-6) * mixture.scale
            seen = directions
        elif normalise:
            phi = phi / phi.norm(dim=0, keepdim=True) * mixture.scale
        logits = torch.einsum(
            "bmd,dnp->bmnp", directions if normalise else x, phi
        )
        dispatch = logits.softmax(1)
        combine = logits.flatten(2).softmax(2).unflatten(2, (experts, slots))
        inputs = torch.einsum("bmd,bmnp->bnpd", seen, dispatch)
        outputs = [
            f(inputs[:, i]) for i, f in enumerate(experts_of(mixture, expert))
        ]
        return torch.einsum("bnpd,bmnp->bmd", torch.stack(outputs, 1), combine)

    return block


PLACES = {  # (f, A, x) -> what the layer adds to its residual stream
    "parallel": lambda f, a, x: f(x) + a(x),
    "parallel, residual": lambda f, a, x: f(x) + a(x) + x,
    "sequential": lambda f, a, x: a(f(x)),
    "sequential, residual": lambda f, a, x: a(f(x)) + f(x),
    # the names of the ablation
    "parallel before": lambda f, a, x: f(x) + a(x),
    "parallel after": lambda f, a, x: f(x) + a(f(x)),
    "sequential before": lambda f, a, x: f(a(x)) + a(x),
    "sequential after": lambda f, a, x: f(x) + a(f(x)),
}


def layer(h, block, place=None, formula=None, sites=(), **of_attention):
    """One layer; ``place`` and ``formula`` are of the adapters at ``sites``."""
    for site, norm_of, f in (
        ("attn", "norm1", lambda x: attention(x, block.attn, **of_attention)),
        ("mlp", "norm2", lambda x: feed_forward(x, block.mlp)),
    ):
        x = norm(h, getattr(block, norm_of))
        if site in sites:
            adapter = getattr(block, site).block
            h = h + PLACES[place](f, lambda y, a=adapter: formula(y, a), x)
        else:
            h = h + f(x)
    return h
