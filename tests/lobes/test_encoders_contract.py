"""What holds for every method on every encoder of clips of any length."""

from functools import partial

import pytest
import torch
from encoder_methods import ENCODERS, SAMPLES, method_of, methods_of
from speechbrain_petl import ClipMean, InputError

A_GRID = "rows=12 is a grid for clips of one length"
IMPOSSIBLE = {"convpass_grid": A_GRID, "loaa": A_GRID}
QUICK = (  # on every encoder; the others are marked slow
    *("lora", "prefix", "conformer"),
    *("prompt_deep", "soft_moa", "token_mixer", "mambadapter"),
    *("loaa (vit)", "loaa (speech)"),
)


def pairs():
    """Encoder and method; the files' own on encoders with their names."""
    for encoder in ENCODERS:
        for name in methods_of(encoder):
            if name in IMPOSSIBLE:
                continue
            marks = () if name in QUICK else pytest.mark.slow
            yield pytest.param(encoder, name, marks=marks)


every_pair = pytest.mark.parametrize("encoder, name", pairs())


class Case:
    """A method on an encoder, and a padded batch for it."""

    def __init__(self, encoder, name, **options):
        self.of = ENCODERS[encoder]
        self.method = method_of(encoder, name)
        self.options = options

    def adapt(self):
        """A new adapted encoder, always with the same weights."""
        encoder = self.of.make(**self.options)
        torch.manual_seed(1)
        return self.method.adapt(encoder)

    def pooled(self, adapted, samples=SAMPLES, lengths=True):
        """The mean token of each clip."""
        lengths = torch.tensor(samples).float() if lengths else None
        encoder = getattr(adapted, "encoder", adapted)
        encoder = encoder if hasattr(encoder, "tokens_of") else adapted
        features = self.of.features(samples)
        return ClipMean(encoder)(adapted(features, lengths), lengths)

    def train(self, adapted, steps=2):
        """Names of the parameters that had a gradient."""
        adapted.train()
        trained = [p for p in adapted.parameters() if p.requires_grad]
        optimiser, moved = torch.optim.AdamW(trained, lr=0.01), set()
        for _ in range(steps):
            optimiser.zero_grad()
            y = self.pooled(adapted)
            draw = torch.Generator().manual_seed(2)
            (y * torch.randn(y.shape, generator=draw)).sum().backward()
            moved |= {
                n
                for n, p in adapted.named_parameters()
                if p.grad is not None and p.grad.count_nonzero()
            }
            optimiser.step()
        return moved


@every_pair
def test_contract(encoder, name):
    """Start, gradients, what is frozen, padding, state, merge, bfloat16."""
    case = Case(encoder, name)
    expected = case.pooled(case.of.make().eval())
    adapted = case.adapt().eval()
    same = torch.allclose(case.pooled(adapted), expected, atol=1e-5)
    assert same == case.method.identity

    before = {n: p.detach().clone() for n, p in adapted.named_parameters()}
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert trained and case.train(adapted) == trained
    for n, parameter in adapted.named_parameters():
        assert torch.equal(parameter, before[n]) == (n not in trained)

    pooled = padded_equals_alone(case, adapted.eval())

    other = case.adapt()
    other.load_adapter_state(adapted.adapter_state())
    assert torch.equal(case.pooled(other.eval()), case.pooled(adapted))

    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = case.pooled(other.train()).float().mean()
    loss.backward()
    assert loss.isfinite()

    torch.testing.assert_close(
        case.pooled(adapted.merge().eval()), pooled, atol=1e-4, rtol=1e-4
    )


def padded_equals_alone(case, adapted):
    """Each clip's own tokens, and their mean, which is returned."""
    features, encoder = case.of.features(SAMPLES), adapted.encoder
    lengths = torch.tensor(SAMPLES).float()
    tokens = adapted(features, lengths)
    pooled = case.pooled(adapted)
    close = partial(torch.testing.assert_close, atol=1e-4, rtol=1e-4)
    for i, count in enumerate(encoder.tokens_of(lengths)):
        size = case.of.size(SAMPLES[i])
        length = lengths[i : i + 1]
        alone = adapted(features[i : i + 1, :size], length)
        close(tokens[i, :count], alone[0, :count])
        mean = ClipMean(encoder)(alone, length)
        close(pooled[i : i + 1], mean)
    return pooled


@pytest.mark.parametrize("name", IMPOSSIBLE)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_cannot_be(encoder, name):
    """An error that says what to do."""
    case = Case(encoder, name)
    with pytest.raises(InputError, match=IMPOSSIBLE[name]):
        case.pooled(case.adapt())


@pytest.mark.parametrize(
    "name", [name for name in QUICK if name in methods_of("wavlm")]
)
def test_gradient_checkpointing_changes_no_gradient(name):
    """The second forward knows the padding too."""
    gradients = []
    for checkpointing in (False, True):
        case = Case("wavlm", name, gradient_checkpointing=checkpointing)
        adapted = case.adapt().train()
        case.pooled(adapted).square().sum().backward()
        gradients.append({n: p.grad for n, p in adapted.named_parameters()})
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize(
    "encoder, name",
    [
        ("wav2vec2", "prefix"),
        *(
            pytest.param(encoder, name, marks=pytest.mark.slow)
            for encoder in ("wav2vec2", "beats", "whisper", "ced", "bat")
            for name in ("lora", "soft_moa", "prompt_deep")
        ),
        *(
            pytest.param(encoder, "prefix", marks=pytest.mark.slow)
            for encoder in ("beats", "whisper", "dasheng", "eat")
        ),
    ],
)
def test_compile_captures_one_graph(encoder, name):
    """torch.compile(fullgraph=True), with padding."""
    torch._dynamo.reset()
    case = Case(encoder, name)
    adapted = case.adapt().train()
    features, lengths = case.of.features(SAMPLES), torch.tensor(SAMPLES)
    compiled = torch.compile(adapted, fullgraph=True, backend="eager")
    expected = adapted(features, lengths)
    actual = compiled(features, lengths)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    actual.sum().backward()


def test_batch_norm_does_not_count_padding():
    """The statistics are the same however far a batch is padded."""
    statistics = []
    for longest in (6000, 12000):
        case = Case("wav2vec2", "conformer")
        adapted = case.adapt().train()
        wavs = torch.zeros(2, longest)
        wavs[:, :6000] = case.of.features(SAMPLES)
        adapted(wavs, torch.tensor(SAMPLES))
        statistics.append(
            {n: b for n, b in adapted.named_buffers() if "running" in n}
        )
    assert len(statistics[0]) == 4
    torch.testing.assert_close(statistics[1], statistics[0])
