"""The parallel scan and Mamba against loops over time and transformers' own."""

import pytest
import torch
from adapter_numbers import DIM, scrambled, tokens
from speechbrain_petl.adapters.mamba import Mamba, MambaBottleneck
from speechbrain_petl.adapters.masks import padding_mask
from speechbrain_petl.adapters.scan import linear_scan
from torch.nn import functional as F
from transformers import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer


def loop(decay, drive):
    """h_t = a_t h_{t-1} + b_t, one step after the other."""
    state, states = torch.zeros_like(drive[:, 0]), []
    for a, b in zip(decay.unbind(1), drive.unbind(1)):
        state = a * state + b
        states.append(state)
    return torch.stack(states, dim=1)


def with_gradients(function, inputs, weights):
    """What a function returns, and the gradients of its weighted sum."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = function(*inputs)
    return y, *torch.autograd.grad((y * weights).sum(), inputs)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 147, 588])
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5)]
)
def test_a_scan_is_the_loop(length, dtype, tolerance):
    """Its gradients too, for decays from nothing to all but one."""
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand(2, length, 3, 4, generator=generator, dtype=dtype)
    decay = draw.sqrt() * (1 - 1e-3)
    drive, weights = (
        torch.randn(decay.shape, generator=generator, dtype=dtype)
        for _ in range(2)
    )
    decay[:, ::11] = 0
    actual = with_gradients(linear_scan, [decay, drive], weights)
    expected = with_gradients(loop, [decay, drive], weights)
    for mine, theirs in zip(actual, expected):
        close = tolerance * max(1, theirs.abs().max().item())
        torch.testing.assert_close(mine, theirs, atol=close, rtol=tolerance)


def test_a_scan_of_nothing():
    x = torch.rand(2, 0, 3)
    assert linear_scan(x, x).shape == x.shape


class Scan(torch.nn.Module):
    """For an export."""

    def forward(self, decay, drive):
        return linear_scan(decay, drive)


def test_the_graph_of_a_scan_is_small():
    """As many nodes for each doubling, and none that copies into the whole."""
    counts = []
    for length in (64, 512):
        inputs = torch.rand(2, 1, length, 3).unbind()
        graph = torch.export.export(Scan(), inputs, strict=False).graph
        names = [str(node.target) for node in graph.nodes]
        assert not [name for name in names if "copy_" in name]
        counts.append(len(names))
    assert counts[0] < counts[1] < 2 * counts[0]


def by_step(mamba, x):
    """A Mamba layer as the paper has it, token by token."""
    x, gate = mamba.expand(x).chunk(2, dim=-1)
    kernel = mamba.convolution.weight.squeeze(1)  # (channel, tap)
    taps = kernel.shape[1]
    padded = F.pad(x, (0, 0, taps - 1, 0))
    state, outputs = 0, []
    for t in range(x.shape[1]):
        window = padded[:, t : t + taps].transpose(1, 2)
        u = F.silu((window * kernel).sum(-1) + mamba.convolution.bias)
        low, write, read = mamba.select(u).split(mamba.sizes, dim=-1)
        step = F.softplus(mamba.step(low)).unsqueeze(-1)
        decay = torch.exp(-step * mamba.log_rates.exp())
        state = decay * state + step * write.unsqueeze(1) * u.unsqueeze(-1)
        y = (state * read.unsqueeze(1)).sum(-1) + mamba.skip * u
        outputs.append(mamba.contract(y * F.silu(gate[:, t])))
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("kernel", [1, 4])
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 1e-3)]
)
def test_mamba_is_its_loop(kernel, dtype, tolerance):
    """And every gradient."""
    torch.manual_seed(4)
    mamba = scrambled(Mamba(DIM, state=5, kernel=kernel, expand=3)).to(dtype)
    x = tokens().to(dtype)
    weights = torch.randn_like(x)
    found = []
    for function in (mamba, lambda x: by_step(mamba, x)):
        mamba.zero_grad()
        inputs = x.clone().requires_grad_()
        y = function(inputs)
        (y * weights).sum().backward()
        grads = [p.grad.clone() for p in mamba.parameters()]
        found.append([y.detach(), inputs.grad, *grads])
    for mine, theirs in zip(*found):
        assert (mine - theirs).norm() < tolerance * theirs.norm()


def test_mamba_is_that_of_transformers():
    """With copied weights."""
    ours = Mamba(DIM, state=6, kernel=4, expand=2).eval()
    config = MambaConfig(
        hidden_size=DIM, state_size=6, conv_kernel=4, expand=2, use_bias=False
    )
    theirs = MambaMixer(config, layer_idx=0).eval()
    names = {
        "expand": "in_proj",
        "convolution": "conv1d",
        "select": "x_proj",
        "step": "dt_proj",
        "contract": "out_proj",
    }
    state = {}
    for name, value in ours.state_dict().items():
        module, _, rest = name.partition(".")
        own = {"log_rates": "A_log", "skip": "D"}.get(module)
        state[own or f"{names[module]}.{rest}"] = value
    theirs.load_state_dict(state)
    torch.testing.assert_close(ours(tokens()), theirs(tokens()))


def test_a_mamba_starts_as_published():
    """Rates of 1, 2, ..., steps between a thousandth and a tenth."""
    mamba = Mamba(DIM)
    rates = mamba.log_rates.exp()
    torch.testing.assert_close(rates[3], torch.arange(1.0, 17))
    steps = F.softplus(mamba.step.bias)
    assert 0.0009 < steps.min() < steps.max() < 0.11
    assert steps.max() / steps.min() > 3


def test_tokens_see_what_was_before_them():
    """However long ago, and nothing that comes."""
    block = scrambled(MambaBottleneck(DIM, width=4)).double()
    x = tokens().double()
    moved = x.clone()
    moved[:, 5] += 1
    changed = (block(moved) - block(x)).abs().sum(-1)
    assert (changed[:, :5] == 0).all() and (changed[:, 5:] > 0).all()


def test_padding_and_learned_tokens_are_apart():
    """A clip in a padded batch is the clip alone; so are tokens after it."""
    block, x = scrambled(MambaBottleneck(DIM, width=4)), tokens()
    mask = torch.arange(10) < torch.tensor([[10], [6]])
    with padding_mask(mask):
        together = block(x)  # four learned tokens follow
    torch.testing.assert_close(together[1, :6], block(x[1:, :6])[0])
    torch.testing.assert_close(together[0, :10], block(x[:1, :10])[0])
    torch.testing.assert_close(together[:, 10:], block(x[:, 10:]))
    inputs = x.clone().requires_grad_()
    with padding_mask(mask):
        block(inputs)[:, :10][mask].sum().backward()
    assert inputs.grad[1, 6:10].count_nonzero() == 0


def test_bfloat16_keeps_the_state_in_full_precision():
    """Of hundreds of tokens, whose decays are almost one."""
    mamba = Mamba(DIM)
    x = torch.randn(1, 600, DIM)
    expected = mamba(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = mamba(x)
    error = (actual.float() - expected).norm() / expected.norm()
    assert error < 0.02
