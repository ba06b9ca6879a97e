"""The wrappers inside SpeechBrain's own AdaptedModel, and in its yaml."""

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from hyperpyyaml import load_hyperpyyaml
from speechbrain_petl.adapters.adapted import AdaptedEncoder
from torch.nn import functional as F

from speechbrain.nnet.adapters import AdaptedModel

# wrappers whose arguments are the same for every site of SpeechBrain's own
SPEECHBRAIN = {
    "lora": "blocks.*.attn.qkv",
    "dora": "blocks.*.attn.qkv",
    "bottleneck": "blocks.*.mlp",
    "before": "blocks.*.attn",
    "conformer": "blocks.*.mlp",
    "dense_moa": "blocks.*.attn",
    "soft_moa": "blocks.*.attn",
    "prompt_shallow": "blocks",
    "prompt_deep": "blocks.?",
    "prefix": "blocks.*.attn",
    "weighted_layers": "blocks",
    "loha": "blocks.*.attn.qkv",
    "ia3": "blocks.*.attn.qkv",
    "ssf": "blocks.*.norm?",
}


@pytest.mark.parametrize("name", SPEECHBRAIN)
def test_inside_speechbrains_adapted_model(name, tmp_path):
    """As adapter_class and adapter_kwargs, unchanged."""
    wrapper = next(iter(METHODS[name].wrap_of().values()))
    options = getattr(wrapper, "keywords", {})
    model = AdaptedModel(
        tiny_ast(),
        adapter_class=getattr(wrapper, "func", wrapper),
        adapter_kwargs=options,
        target_layers=[SPEECHBRAIN[name]],
    )
    y = model.eval()(spectrograms())
    y.sum().backward()
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trained and not any(n.endswith("norm1.bias") for n in trained)
    if METHODS[name].identity:
        expected = tiny_ast().eval()(spectrograms())
        torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-6)
    model.saver(tmp_path / "adapter.ckpt")
    model.loader(tmp_path / "adapter.ckpt", end_of_epoch=True)
    assert F.mse_loss(model(spectrograms()), y) == 0


YAML = """
wrap:
    "blocks.*.mlp": !name:speechbrain_petl.adapters.adapter.Adapter
        block: !new:speechbrain_petl.adapters.mixer.Shared
            block: !name:speechbrain_petl.adapters.mixer.TokenMixer
                width: 4
                kernel: 5
            parts: [down, up]
    "blocks.*.attn": !name:speechbrain_petl.adapters.adapter.Adapter
        where: before
        block: !name:speechbrain_petl.adapters.moa.SoftMoA
            experts: 3
            expert: !name:speechbrain_petl.adapters.blocks.Bottleneck {width: 4}
train: ["norm.*"]
"""


def test_written_in_yaml():
    """Nested wrappers, blocks, experts and a shared factory."""
    adapted = AdaptedEncoder(tiny_ast(), **load_hyperpyyaml(YAML))
    first, second = (
        block.mlp.block for block in adapted.encoder.blocks.children()
    )
    assert first.up is second.up and first.filters is not second.filters
    expected = tiny_ast().eval()(spectrograms())
    actual = adapted.eval()(spectrograms())
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-6)
