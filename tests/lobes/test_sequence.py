"""Sequences: time steps, decoder and searchers, tokenizer, metrics."""

from functools import partial

import pytest
import torch
from speechbrain_petl import AST, InputError
from speechbrain_petl.data.text import BOS, EOS, UNKNOWN, train_tokenizer
from speechbrain_petl.lobes.sequence import SequenceDecoder, TimeSteps
from speechbrain_petl.training.metrics.sequence_metrics import (
    ExactMatch,
    TokenErrorRate,
)
from torchaudio.functional import edit_distance

from speechbrain.decoders import S2SRNNBeamSearcher, S2SRNNGreedySearcher

TEXTS = ["activate | lights | kitchen", "bring | juice | none"]
BEAM = partial(S2SRNNBeamSearcher, beam_size=4, using_eos_threshold=False)


def test_time_steps_follow_the_order_of_the_patches():
    """The mean over the mels of each step, whatever the class tokens."""
    mels, steps = AST((32, 1, 2), frames=100).grid
    patches = torch.randn(mels, steps, 4)
    tokens = torch.cat([torch.randn(2, 4), patches.flatten(0, 1)])
    states = TimeSteps((mels, steps))(tokens.unsqueeze(0))
    torch.testing.assert_close(states[0], patches.mean(dim=0))


def test_time_steps_need_all_patches():
    """Dropped patches would be mistaken for other places."""
    with pytest.raises(InputError, match="9 tokens .* 4 x 2 .* patch_dropout"):
        TimeSteps((4, 2))(torch.randn(1, 9, 4))


def test_a_clip_always_has_a_step():
    """However short, so that no softmax is over nothing."""
    wav_lens = TimeSteps((12, 5)).wav_lens(torch.tensor([0.0, 0.01, 0.5, 1.2]))
    decoder = SequenceDecoder(dim=8, symbols=6, hidden=8)
    states = torch.randn(4, 5, 8)
    out = decoder(torch.full((4, 3), BOS), states, wav_lens)
    assert out.isfinite().all()


def test_decoder_looks_at_nothing_after_the_end():
    """States past a clip's share change nothing."""
    decoder = SequenceDecoder(dim=8, symbols=6, hidden=8).eval()
    states, symbols = torch.randn(2, 10, 8), torch.randint(6, (2, 4))
    changed = states.clone()
    changed[0, 4:] = 9.0
    wav_lens = torch.tensor([0.4, 1.0])
    out = decoder(symbols, states, wav_lens)
    torch.testing.assert_close(out, decoder(symbols, changed, wav_lens))
    longer = decoder(symbols, changed, torch.tensor([0.5, 1.0]))
    assert not torch.allclose(out[0], longer[0])
    torch.testing.assert_close(out[1], longer[1])


@pytest.mark.parametrize("make", [S2SRNNGreedySearcher, BEAM])
@pytest.mark.parametrize("longest", [1, 7, 29])
def test_searchers_stop(make, longest):
    """After so many symbols, be there fewer time steps or more."""
    decoder = SequenceDecoder(dim=8, symbols=9, hidden=8).eval()
    decoder.linear.w.bias.data[EOS] = -100.0
    search = decoder.searcher(make, BOS, EOS, longest, steps=11)
    found, *_ = search(torch.randn(3, 11, 8), torch.ones(3))
    lengths = {len(tokens) for tokens in found}
    # the beam closes what it leaves unfinished, in the place of a symbol
    assert lengths == {longest if make is S2SRNNGreedySearcher else longest - 1}


def learned(target):
    """A decoder that has learned one sequence, whatever the states."""
    torch.manual_seed(0)
    decoder = SequenceDecoder(dim=8, symbols=9, hidden=16)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.05)
    states, wav_lens = torch.randn(2, 5, 8), torch.ones(2)
    fed = torch.tensor([[BOS, *target]] * 2)
    wanted = torch.tensor([[*target, EOS]] * 2)
    for _ in range(300):
        optimizer.zero_grad()
        log_probs = decoder(fed, states, wav_lens)
        torch.nn.functional.nll_loss(
            log_probs.flatten(0, 1), wanted.flatten()
        ).backward()
        optimizer.step()
    return decoder.eval(), states, wav_lens


@pytest.mark.parametrize("make", [S2SRNNGreedySearcher, BEAM])
def test_searchers_find_what_was_learned(make):
    """Also when the end is so certain that its log probability is 0."""
    target = [5, 3, 3, 8]
    decoder, states, wav_lens = learned(target)
    decoder.linear.w.weight.data *= 20
    decoder.linear.w.bias.data *= 20
    end = decoder(torch.tensor([[BOS, *target]] * 2), states, wav_lens)
    assert end[0, -1, EOS] == 0
    search = decoder.searcher(make, BOS, EOS, longest=9, steps=5)
    assert search(states, wav_lens)[0] == [target] * 2


@pytest.mark.parametrize(
    "kind, size", [("char", 0), ("bpe", 30), ("unigram", 22)]
)
def test_tokenizer(kind, size, tmp_path):
    """Every text comes back, and the special symbols keep their numbers."""
    tokenizer = train_tokenizer(TEXTS * 3, str(tmp_path / "t"), size, kind)
    for text in TEXTS:
        ids = tokenizer.encode_as_ids(text)
        assert tokenizer.decode_ids(ids) == text
        assert not {UNKNOWN, BOS, EOS} & set(ids)
    assert (tokenizer.bos_id(), tokenizer.eos_id()) == (BOS, EOS)
    assert kind == "char" or tokenizer.vocab_size() == size


def test_tokenizer_is_kept_for_its_texts_only(tmp_path):
    """A second call loads it; other texts are not cut up by the old one."""
    folder = str(tmp_path / "t")
    train_tokenizer(TEXTS, folder, 0, "char")
    made = (tmp_path / "t" / "0_char.model").stat().st_mtime_ns
    train_tokenizer(TEXTS, folder, 0, "char")
    assert (tmp_path / "t" / "0_char.model").stat().st_mtime_ns == made
    other = train_tokenizer(["xyz"], folder, 0, "char")
    assert UNKNOWN not in other.encode_as_ids("xyz")


@pytest.mark.parametrize(
    "folder, size, kind, message",
    [
        ("t", 500, "bpe", "no bpe tokenizer of 500 .* to a value <="),
        ("t", 30, "words", "no words tokenizer .* one of"),
        ("a b", 30, "bpe", "a b: SentencePiece takes no blank"),
    ],
)
def test_tokenizer_errors(folder, size, kind, message, tmp_path):
    """In one sentence."""
    with pytest.raises(InputError, match=message):
        train_tokenizer(TEXTS, str(tmp_path / folder), size, kind)


def test_metrics_agree_with_torchaudio():
    """On random sequences, over several batches."""
    torch.manual_seed(0)
    exact = ExactMatch(EOS, lambda ids: " ".join(map(str, ids)))
    rate = TokenErrorRate(EOS)
    edits = symbols = right = clips = 0
    for _ in range(5):
        emitted = torch.randint(3, 6, (8, torch.randint(2, 6, ()).item()))
        targets = torch.cat(
            [torch.randint(3, 6, (8, 3)), torch.full((8, 1), EOS)], dim=1
        )
        emitted[0] = EOS  # nothing is emitted
        emitted[1, :2], targets[1, :3] = 3, torch.tensor([3, 3, EOS])
        emitted[1, 2:] = EOS
        for metric in (exact, rate):
            metric.update(emitted.float(), targets)  # as PETLBrain.score
        for row, target in zip(emitted.tolist(), targets.tolist()):
            row = (row + [EOS])[: (row + [EOS]).index(EOS)]
            target = target[: target.index(EOS)]
            edits += edit_distance(row, target)
            symbols += len(target)
            right += row == target
            clips += 1
    assert 0 < right < clips
    assert rate.compute().item() == pytest.approx(edits / symbols)
    assert exact.compute().item() == pytest.approx(right / clips)
