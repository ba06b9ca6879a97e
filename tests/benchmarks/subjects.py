"""What is compared: our encoder and its peers, with the same weights."""

import copy
from functools import partial

import torch
from speechbrain_petl import (
    AST,
    AdaptedEncoder,
    Adapter,
    ConformerConvolution,
    LoRA,
    Prefix,
    Prompt,
    SoftMoA,
)
from speechbrain_petl.adapters.blocks import Bottleneck
from torch import nn

from .peers import ALPHA, CLASSES, RANK, Logits, Plain, huggingface

FRAMES, MELS = 500, 128
BASE = (768, 12, 12)
LORA = {"blocks.*.attn.qkv": partial(LoRA, rank=RANK, alpha=ALPHA, parts="qv")}
METHODS = {
    "lora": LORA,
    "conformer": {
        "blocks.*.mlp": partial(
            Adapter, block=partial(ConformerConvolution, width=8, kernel=8)
        )
    },
    "soft_moa": {
        "blocks.*.attn": partial(
            Adapter,
            block=partial(SoftMoA, expert=partial(Bottleneck, width=6)),
        )
    },
    "prefix": {"blocks.*.attn": partial(Prefix, tokens=12)},
    "prompt_deep": {"blocks.?|blocks.??": partial(Prompt, tokens=25)},
}


class Adapted(nn.Module):
    """An adapted encoder, the mean of its tokens, a Linear."""

    def __init__(self, encoder, wrap=None):
        super().__init__()
        self.encoder = AdaptedEncoder(encoder, wrap or LORA, ["norm.*"])
        self.head = nn.Linear(encoder.dim, CLASSES)

    def forward(self, features):
        """Spectrogram (batch, frame, mel) to logits (batch, class)."""
        return self.head(self.encoder(features).mean(dim=1))


class Ours(Adapted):
    """The adapted AST, a copy of one that all peers have."""

    def __init__(self, encoder, wrap=None, **options):
        super().__init__(similar(encoder, **options), wrap)


def similar(encoder, **options):
    """A copy with other options."""
    block = encoder.blocks[0]
    size = (encoder.dim, len(encoder.blocks), block.attn.num_heads)
    made = AST(size, frames=encoder.input_shape[0], **options)
    made.load_state_dict(encoder.state_dict())
    return made


def encoder_of(size):
    """A random encoder, the same for all."""
    torch.manual_seed(0)
    return AST(size, frames=FRAMES)


MAKERS = {
    "ours": Ours,
    "ours, checkpointing": partial(Ours, gradient_checkpointing=True),
    "ours, checkpointing selective": partial(
        Ours, gradient_checkpointing="selective"
    ),
    "ours, patch dropout 0.5": partial(Ours, patch_dropout=0.5),
    "hf sdpa": lambda e: Logits(huggingface(e, "sdpa")),
    "hf eager": lambda e: Logits(huggingface(e, "eager")),
    "papers": Plain,
    **{m: partial(Ours, wrap=copy.deepcopy(w)) for m, w in METHODS.items()},
}


class Trainer:
    """One step: forward, cross entropy, backward, AdamW over what trains."""

    def __init__(
        self, model, batch, device, precision="fp32", shape=(FRAMES, MELS)
    ):
        self.model = model.to(device).train()
        self.device, self.bf16 = device, precision == "bf16"
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
        self.features = torch.randn(batch, *shape, device=device)
        self.targets = torch.randint(CLASSES, (batch,), device=device)

    def autocast(self):
        """bf16, or nothing."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bf16)

    def step(self):
        """Train on the batch."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            logits = self.model(self.features)
            loss = nn.functional.cross_entropy(logits, self.targets)
        loss.backward()
        self.optimizer.step()

    @torch.inference_mode()
    def infer(self):
        """Logits in evaluation."""
        self.model.eval()
        with self.autocast():
            self.model(self.features)
        self.model.train()
