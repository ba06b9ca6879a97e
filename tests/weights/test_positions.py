"""Position tables: the original's rule for lengths, physics for strides."""

import pytest
import torch
from checkpoints import original_rule
from speechbrain_petl.weights.positions import Axis, resize_positions

AUDIOSET = Axis(128, 10), Axis(1024, 10)


@pytest.mark.parametrize("frames", [16, 100, 505, 1015, 1024, 1030, 1500])
@pytest.mark.parametrize("mels", [16, 64, 128, 200])
def test_lengths_follow_the_original(mels, frames):
    table = torch.randn(1, 1214, 5)
    new = Axis(mels, 10), Axis(frames, 10)
    patches = [axis.patches for axis in new]
    resized = resize_positions(table, AUDIOSET, new)
    # the original's own places of interpolation are rounded in fp32
    expected = original_rule(table.double(), *patches)
    torch.testing.assert_close(resized, expected.float())


def physical_table(axes):
    """Each patch holds its own place: (mel, frame) where it starts."""
    (mels, fstride), (frames, tstride) = axes
    mel = torch.arange(axes[0].patches) * float(fstride)
    frame = torch.arange(axes[1].patches) * float(tstride)
    grid = torch.stack(torch.meshgrid(mel, frame, indexing="ij"), dim=-1)
    first = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    return torch.cat([first, grid.flatten(0, 1)])[None]


@pytest.mark.parametrize("old", [10, 12, 14, 16])
@pytest.mark.parametrize("new", [6, 10, 12, 14, 16])
@pytest.mark.parametrize("mels, frames", [(128, 1024), (128, 500), (60, 100)])
def test_strides_are_sampled_where_the_patches_lie(old, new, mels, frames):
    old_axes = Axis(128, old), Axis(1024, old)
    new_axes = Axis(mels, new), Axis(frames, new)
    resized = resize_positions(physical_table(old_axes), old_axes, new_axes)
    expected = physical_table(new_axes)
    for place, axis in enumerate(old_axes):
        kept = Axis(new_axes[place].length, old).patches
        start = (axis.patches // 2 - kept // 2) * old  # the crop's
        last = start + (kept - 1) * old
        places = expected[:, 2:, place] + start
        # beyond the last old patch nothing is known, and less than one fits
        assert (places - last < old).all()
        expected[:, 2:, place] = places.clamp(max=last)
    torch.testing.assert_close(resized, expected, atol=1e-3, rtol=0)


def test_a_longer_input_of_another_stride_is_stretched():
    new = Axis(128, 10), Axis(2048, 16)
    resized = resize_positions(physical_table(AUDIOSET), AUDIOSET, new)
    frames = resized[0, 2:].unflatten(0, (12, 128))[0, :, 1]
    stretch = 101 / Axis(2048, 10).patches
    places = (torch.arange(128) * 1.6 + 0.5) * stretch * 10 - 5
    inside = (places > 0) & (places < 995)
    torch.testing.assert_close(frames[inside], places[inside])
    assert (frames.diff() >= 0).all()


def test_only_the_axis_of_another_stride_is_sampled():
    table = torch.randn(1, 1214, 5)
    new = Axis(128, 10), Axis(1024, 20)
    resized = resize_positions(table, AUDIOSET, new)[:, 2:]
    every_other = table[:, 2:].unflatten(1, (12, 101))[:, :, ::2]
    assert torch.equal(resized, every_other.flatten(1, 2))
