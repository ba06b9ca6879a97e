"""What people would use instead, with the weights of one of our encoders.

``huggingface`` is ``ASTForAudioClassification`` with PEFT's LoRA. ``Plain`` is
an AST as the papers' code runs it: fp32, attention written out, no fusion.
"""

import copy
import math

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import ASTConfig, ASTForAudioClassification

RANK, ALPHA, CLASSES = 6, 16, 50
NAMES = {  # of transformers -> of ours, inside a block
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.o_proj": "attn.proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def huggingface(encoder, attention="sdpa", lora=True):
    """The same encoder in transformers, LoRA on q and v by PEFT."""
    frames, mels = encoder.input_shape
    block = encoder.blocks[0]
    config = ASTConfig(
        hidden_size=encoder.dim,
        num_hidden_layers=len(encoder.blocks),
        num_attention_heads=block.attn.num_heads,
        intermediate_size=4 * encoder.dim,
        layer_norm_eps=1e-6,
        max_length=frames,
        num_mel_bins=mels,
        num_labels=CLASSES,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation=attention,
    )
    model = ASTForAudioClassification(config)
    model.audio_spectrogram_transformer.load_state_dict(_renamed(encoder))
    if not lora:
        return model
    options = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=["q_proj", "v_proj"],
        modules_to_save=[
            "classifier",
            "audio_spectrogram_transformer.layernorm",
        ],
    )
    return get_peft_model(model, options)


class Logits(nn.Module):
    """A model of transformers that returns its logits only."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, features):
        """Spectrogram (batch, frame, mel) to logits (batch, class)."""
        return self.model(input_values=features).logits


class Plain(nn.Module):
    """An eager AST with LoRA on q and v, as the papers' code runs it."""

    def __init__(self, encoder):
        super().__init__()
        encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.patches = encoder.patch_embed["proj"]
        self.first = torch.cat([encoder.cls_token, encoder.dist_token], 1)
        self.positions = encoder.pos_embed
        self.blocks = nn.Sequential(*(PlainBlock(b) for b in encoder.blocks))
        self.norm = encoder.norm.requires_grad_(True)
        self.head = nn.Linear(encoder.dim, CLASSES)

    def forward(self, features):
        """Spectrogram (batch, frame, mel) to logits (batch, class)."""
        image = features.unsqueeze(1).transpose(2, 3)
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), -1, -1), x], dim=1)
        x = self.blocks(x + self.positions)
        return self.head(self.norm(x).mean(dim=1))


class PlainBlock(nn.Module):
    """LayerNorm, attention, LayerNorm, feed-forward, nothing fused."""

    def __init__(self, block):
        super().__init__()
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.heads = block.attn.num_heads
        self.q, self.k, self.v = thirds(block.attn.qkv)
        self.q, self.v = PlainLoRA(self.q), PlainLoRA(self.v)
        self.out = block.attn.proj
        self.fc1, self.fc2 = block.mlp.fc1, block.mlp.fc2

    def forward(self, x):
        """Tokens (batch, token, dim)."""
        y = self.norm1(x)
        q, k, v = (
            part(y).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        weights = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        y = weights.softmax(dim=-1) @ v
        x = self.out(y.transpose(1, 2).flatten(2)) + x
        return self.fc2(nn.functional.gelu(self.fc1(self.norm2(x)))) + x


class PlainLoRA(nn.Module):
    """W x + (alpha / rank) B A x."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.down = nn.Linear(linear.in_features, RANK, bias=False)
        self.up = nn.Linear(RANK, linear.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        """Input (..., in_features)."""
        return self.linear(x) + self.up(self.down(x)) * (ALPHA / RANK)


def thirds(qkv):
    """Three Linear of a fused projection."""
    parts = []
    for weight, bias in zip(qkv.weight.chunk(3), qkv.bias.chunk(3)):
        part = nn.Linear(qkv.in_features, len(weight)).requires_grad_(False)
        part.weight.data.copy_(weight)
        part.bias.data.copy_(bias)
        parts.append(part)
    return parts


def _renamed(encoder):
    """Our state with the names of transformers 5."""
    state = {
        "embeddings.cls_token": encoder.cls_token,
        "embeddings.distillation_token": encoder.dist_token,
        "embeddings.position_embeddings": encoder.pos_embed,
    }
    modules = {
        "embeddings.patch_embeddings.projection": encoder.patch_embed["proj"],
        "layernorm": encoder.norm,
    }
    for number, block in enumerate(encoder.blocks):
        for theirs, ours in NAMES.items():
            module = block.get_submodule(ours)
            modules[f"layers.{number}.{theirs}"] = module
        for letter, part in zip("qkv", thirds(block.attn.qkv)):
            modules[f"layers.{number}.attention.{letter}_proj"] = part
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            state[f"{name}.{key}"] = value
    return state
