"""Whisper's decoder against transformers', with methods and without."""

from functools import partial

import pytest
import torch
import transformers
from speech_models import noise, scrambled
from speechbrain_petl import (
    AdaptedEncoder,
    Adapter,
    Bottleneck,
    ConformerConvolution,
    InputError,
    LoRA,
    Prefix,
    Prompt,
    SoftMoA,
    WhisperDecoder,
    eva_start,
    load_pretrained,
    save_pretrained,
)
from speechbrain_petl.adapters.masks import mask_of
from speechbrain_petl.lobes.causal import check_causal
from whisper_models import openais, theirs

from speechbrain.decoders.seq2seq import (
    S2STransformerBeamSearcher,
    S2STransformerGreedySearcher,
)

SYMBOLS = torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(0))
BESIDE = partial(Adapter, block=partial(Bottleneck, width=4))


def ours(**options):
    """A tiny decoder."""
    torch.manual_seed(0)
    return scrambled(WhisperDecoder((32, 2, 4), symbols=50, **options)).eval()


def huggingface(model, folder):
    """Their folder."""
    model.save_pretrained(folder)
    return folder


def openai(model, folder):
    """A file with OpenAI's names; what only decoders have, by hand."""
    saved = openais(model)
    names = {"encoder_attn_layer_norm": "cross_attn_ln"}
    names |= {"encoder_attn": "cross_attn"}
    names |= {"embed_tokens.weight": "token_embedding.weight"}
    names |= {"decoder.layer_norm": "decoder.ln"}
    state = saved["model_state_dict"]
    for old, new in names.items():
        state = {k.replace(old, new): v for k, v in state.items()}
    torch.save({**saved, "model_state_dict": state}, folder / "tiny.pt")
    return folder / "tiny.pt"


def own(model, folder):
    """A file of save_pretrained."""
    decoder = WhisperDecoder((32, 1, 4), symbols=50)
    load_pretrained(decoder, huggingface(model, folder))
    return save_pretrained(decoder, folder / "own.safetensors")


@pytest.mark.parametrize("form", [huggingface, openai, own])
@torch.no_grad()
def test_equals_transformers(form, tmp_path):
    """Scores of every symbol; a prompt of two goes before them by itself."""
    model = theirs(transformers.WhisperForConditionalGeneration)
    decoder = WhisperDecoder((32, 1, 4), symbols=50, prompt=(1, 3))
    decoder = load_pretrained(decoder, form(model, tmp_path)).eval()
    states = noise(2, 40, 32)
    before = torch.tensor([[1]]).expand(2, -1)
    expected = model(
        encoder_outputs=(states,),
        decoder_input_ids=torch.cat([before, SYMBOLS], dim=1),
    ).logits[:, 1:]
    scores = decoder(SYMBOLS, states)
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)


def test_padding_is_what_follows_a_text():
    """Its own layers know it, and a look at their inputs leaves it out."""
    decoder, seen = ours(prompt=(1, 3)), []
    lengths, padded = torch.tensor([2, 5]), SYMBOLS[:2, :5]
    decoder.blocks[0].attn.qkv.register_forward_pre_hook(
        lambda module, args: seen.append(mask_of(args[0]))
    )
    scores = decoder(padded, noise(2, 40, 32), None, lengths)
    assert seen[0].sum(dim=1).tolist() == (lengths + 1).tolist()  # the prompt
    torch.testing.assert_close(scores, decoder(padded, noise(2, 40, 32)))


METHODS = {
    "none": {},
    "lora": {
        "blocks.*.attn.qkv": partial(LoRA, rank=2, parts="qv"),
        "blocks.*.cross.[qkv]|blocks.*.cross.proj": partial(LoRA, rank=2),
    },
    "bottleneck": {"blocks.*.attn|blocks.*.cross|blocks.*.mlp": BESIDE},
    "prefix": {"blocks.*.attn": partial(Prefix, tokens=3)},
    "conformer_of_states": {
        "blocks.*.cross.[kv]": partial(
            Adapter, block=partial(ConformerConvolution, width=4, kernel=5)
        )
    },
    "prompt_deep": {"blocks.?": partial(Prompt, tokens=3)},
    "prompt_shallow": {"blocks": partial(Prompt, tokens=3)},
}


@pytest.mark.parametrize("method", METHODS)
def test_decoding_is_training(method):
    """A symbol's scores are the same whatever follows it, in any batch."""
    adapted = AdaptedEncoder(ours(), METHODS[method], ["norm.*"]).eval()
    check_causal(adapted)
    trained = [p for p in adapted.parameters() if p.requires_grad]
    with torch.no_grad():  # most methods start as nothing
        for number, p in enumerate(trained):
            p.add_(0.3 * noise(*p.shape, seed=number))
    states, counts = noise(2, 40, 32), torch.tensor([40, 25])
    close = partial(torch.testing.assert_close, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        scores = adapted(SYMBOLS, states, counts)
        for length in (1, 4):
            first = adapted(SYMBOLS[:, :length], states, counts)
            close(first, scores[:, :length])
        alone = adapted(SYMBOLS[1:], states[1:, :25])
    close(alone, scores[1:])
    adapted(SYMBOLS, states, counts).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in trained)


@pytest.mark.parametrize(
    "block",
    [
        partial(ConformerConvolution, width=4, kernel=5),
        partial(SoftMoA, expert=partial(Bottleneck, width=2), experts=2),
    ],
)
def test_what_sees_the_future_is_refused(block):
    """Though it adds nothing yet; what it was is left as it was."""
    wrap = {"blocks.*.mlp": partial(Adapter, block=block)}
    adapted = AdaptedEncoder(ours(), wrap)
    before = {k: v.clone() for k, v in adapted.state_dict().items()}
    with pytest.raises(InputError, match="wrap: of blocks.0.mlp, blocks.1.mlp"):
        check_causal(adapted)
    for name, value in adapted.state_dict().items():
        assert torch.equal(value, before[name])


def test_eva_sees_no_padding_of_the_states():
    """Nor would it take the symbols' mask for that of the states."""
    states, counts = noise(2, 40, 32), torch.tensor([40, 25])
    started = []
    for padding in (0, 100):
        states[1, 25:] = padding * noise(15, 32, seed=1)
        wrap = {"blocks.*.cross.[kv]": partial(LoRA, rank=2, init="eva")}
        adapted = AdaptedEncoder(ours(), wrap)
        run = partial(adapted, SYMBOLS, counts=counts)
        eva_start(adapted, run, [states])
        started.append(
            {k: v.clone() for k, v in adapted.adapter_state().items()}
        )
    assert len(started[0]) == 8
    for name, value in started[0].items():
        assert torch.equal(value, started[1][name]), name


def test_searches():
    """Greedy and beam search end with the same scores that training has."""
    decoder, states = ours(prompt=(1, 3)), noise(2, 40, 32)
    beam = partial(
        S2STransformerBeamSearcher, beam_size=1, using_eos_threshold=False
    )
    found = []
    for make in (S2STransformerGreedySearcher, beam):
        search = decoder.searcher(make, eos=2)
        search.max_decode_ratio = 6.5 / 40
        found.append(search(states, torch.ones(2))[0])
    for one, other in zip(*found):  # a beam that is cut says one less
        assert one[: len(other)] == other and len(other) > 3
    said, row = [3], 0
    for symbol in found[0][row]:
        scores = decoder(torch.tensor([said]), states[row : row + 1])
        assert scores[0, -1].argmax() == symbol
        said.append(symbol)
    assert len(said) > 1


def test_too_long_a_text():
    """Positions are learned: there are no others."""
    symbols = torch.zeros(1, 449, dtype=torch.long)
    with pytest.raises(InputError, match="449 symbols: .* positions for 448"):
        ours()(symbols, noise(1, 4, 32))


@torch.no_grad()
def test_what_another_thread_hears_is_not_taken(monkeypatch):
    """It may search with the same decoder, between any two steps of this one."""
    decoder, (states, others) = ours(), torch.randn(2, 2, 6, 32)
    decoder.blocks = decoder.blocks[:1]
    cross = decoder.blocks[0].cross
    decoder.decode(SYMBOLS, others, None)
    of_others = cross.heard
    wanted = decoder.decode(SYMBOLS, states, None)[0]
    reads = [vars(cross).pop("heard"), of_others]  # the other was there between

    heard = property(lambda cross: reads.pop(0), lambda cross, value: None)
    monkeypatch.setattr(type(cross), "heard", heard, raising=False)
    assert torch.equal(decoder.decode(SYMBOLS, states, None)[0], wanted)
