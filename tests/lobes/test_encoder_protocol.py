"""The documented protocol, and what methods do on encoders without it."""

from functools import partial
from inspect import getsource

import pytest
import stranger as module
import torch
from speech_models import noise, ours, torchaudios
from speechbrain_petl import (
    AST,
    IA3,
    AdaptedEncoder,
    BEATs,
    ClipMean,
    DoRA,
    InputError,
    LoRA,
    Prefix,
    ViT,
    Whisper,
    load_pretrained,
    save_pretrained,
)
from speechbrain_petl.lobes.encoder import Encoder
from speechbrain_petl.lobes.merge_tokens import merge_tokens
from stranger import Stranger


@pytest.mark.parametrize(
    "encoder",
    [
        AST((32, 2, 2), frames=64),
        ours(),
        BEATs((32, 2, 2)),
        Whisper((32, 2, 2)),
        ViT((32, 2, 2)),
        Stranger(),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_encoders_keep_the_protocol(encoder):
    """All of the package, and the stranger's; a Linear does not."""
    assert isinstance(encoder, Encoder)
    assert not isinstance(torch.nn.Linear(2, 2), Encoder)


def test_the_stranger_takes_few_lines():
    """What test_encoders_contract.py tries every method on."""
    code = getsource(module).split("class Attention")[1].splitlines()
    assert len([line for line in code if line.strip()]) <= 33


def test_weights_of_a_stranger(tmp_path):
    """Loaded by names and shapes; with a translation if there is one."""
    encoder, wavs = Stranger().eval(), noise(2, 4000)
    file = save_pretrained(encoder, tmp_path / "own.safetensors")
    other = load_pretrained(Stranger(), file).eval()
    assert torch.equal(other(wavs), encoder(wavs))

    class Renamed(Stranger):
        def translate(self, state, metadata):
            assert metadata == {"by": "them"}
            return {k.removeprefix("their."): v for k, v in state.items()}

    state = {f"their.{k}": v for k, v in encoder.state_dict().items()}
    saved = {"cfg": {"by": "them"}, "state_dict": state}
    torch.save(saved, tmp_path / "theirs.pt")
    other = load_pretrained(Renamed(), tmp_path / "theirs.pt").eval()
    assert torch.equal(other(wavs), encoder(wavs))
    with pytest.raises(InputError, match="Stranger of dim 32 .*their.cut"):
        load_pretrained(Stranger(), tmp_path / "theirs.pt")


def test_mean_of_a_clip():
    """Padding and kept prompts are left out."""
    tokens = noise(2, 9, 4)
    pooling = ClipMean(Stranger())
    y = pooling(tokens, torch.tensor([2000.0, 799.6]))
    expected = torch.stack([tokens[0, :5].mean(0), tokens[1, :2].mean(0)])
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(pooling(tokens), tokens.mean(1))
    tokens[1, 2:] = torch.nan
    assert pooling(tokens, torch.tensor([2000.0, 800.0]))[1].isfinite().all()


ATTENTION = "encoder.transformer.layers.*.attention"


@pytest.mark.parametrize(
    "make, wrap, message",
    [
        # fused weights that are read, not called
        (
            partial(torchaudios, "wavlm_base"),
            {ATTENTION.replace("*", "?"): Prefix},
            "WavLMSelfAttention has neither qkv nor k_proj",
        ),
        (
            partial(torchaudios, "wavlm_base"),
            {f"{ATTENTION}.q_proj": LoRA},
            "attention.q_proj' matches nothing",
        ),
        # parts of a fused projection, where there is none
        (
            ours,
            {f"{ATTENTION}.q_proj": partial(LoRA, parts="q")},
            r"32 outputs do not divide by three times its 32 inputs.*\[qv\]",
        ),
        *(
            (
                ours,
                {f"{ATTENTION}.k_proj": partial(method, parts="k")},
                "32 outputs do not divide by three times its 32 inputs",
            )
            for method in (DoRA, IA3)
        ),
        # the AST's sites
        (ours, {"blocks.*.attn.qkv": LoRA}, "attn.qkv' matches nothing"),
        (
            partial(AST, (32, 2, 2), frames=64),
            {f"{ATTENTION}.q_proj": LoRA},
            "matches nothing in this encoder",
        ),
    ],
)
def test_what_cannot_be(make, wrap, message):
    """One line that names the site and the remedy."""
    with pytest.raises(InputError, match=message):
        AdaptedEncoder(make(), wrap)


def test_only_the_ast_merges_tokens():
    """Of the others it is an error, as the docs say."""
    for encoder in (ours(), Stranger()):
        with pytest.raises(InputError, match="is no AST and has no tokens to"):
            merge_tokens(encoder, 0.5)
