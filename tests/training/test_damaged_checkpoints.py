"""A damaged checkpoint is named and left, and the one before it is used."""

import shutil
from pathlib import Path

import pytest
import torch
from running import arguments, load_train, weights_of
from speechbrain_petl.training.whole_checkpoints import ASIDE, tidy_checkpoints
from test_resume import EVERY_STEP, STEPS, assert_same_run, killed_apart

KEYS = ("metrics", "history", "tested_epoch")


@pytest.fixture(scope="module")
def undisturbed(esc50, tmp_path_factory):
    """The result and the folder of a run of two epochs."""
    output = tmp_path_factory.mktemp("whole")
    argv = arguments(esc50, output, *EVERY_STEP)
    return load_train().main(argv), output


@pytest.fixture(scope="module")
def unfinished(esc50, tmp_path_factory):
    """A run that was killed in its second epoch."""
    output = tmp_path_factory.mktemp("killed")
    argv = arguments(esc50, output, *EVERY_STEP)
    killed_apart("step", STEPS + 4, argv)
    return output


def go_on(esc50, from_, folder, damage):
    """Copy a run, damage it, and give the same command; result and folder."""
    output = folder / "run"
    shutil.copytree(from_, output)
    damage(output)
    argv = arguments(esc50, output, *EVERY_STEP)
    return load_train().main(argv), output


def flip(path):
    """Another byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def newest(output):
    """The checkpoint that a run goes on from."""
    folders = (Path(output) / "save").glob("CKPT+*")
    return max(folders, key=lambda f: (f / "CKPT.yaml").stat().st_mtime_ns)


@pytest.mark.parametrize("way", ["flipped", "cut", "empty"])
def test_every_file_of_a_checkpoint_is_checked(
    unfinished, tmp_path, way, caplog
):
    names = sorted(p.name for p in newest(unfinished).iterdir())
    assert "SHA256SUMS" in names and "dataloader-TRAIN.ckpt" in names
    for name in names:
        output = tmp_path / name
        shutil.copytree(unfinished, output)
        path = newest(output) / name
        content = path.read_bytes()
        cut = {"cut": content[: len(content) // 2], "empty": b""}
        flip(path) if way == "flipped" else path.write_bytes(cut[way])
        others = len(list((output / "save").glob("CKPT+*"))) - 1
        caplog.clear()
        tidy_checkpoints(output / "save", "accuracy")
        left = output / "save" / f"{ASIDE}{path.parent.name}"
        assert (left / name).is_file(), name
        assert len(list((output / "save").glob("CKPT+*"))) == others > 0
        assert left.name in caplog.text and name in caplog.text


def test_a_run_goes_on_from_the_one_before(
    esc50, unfinished, undisturbed, tmp_path
):
    """The loader's state, which says where in the epoch, and a missing file."""
    for number, damage in enumerate((flip, Path.unlink)):
        folder = tmp_path / str(number)
        again = go_on(
            esc50,
            unfinished,
            folder,
            lambda o, d=damage: d(newest(o) / "dataloader-TRAIN.ckpt"),
        )
        assert_same_run(again, undisturbed)


def test_the_tested_checkpoint_is_damaged(esc50, undisturbed, tmp_path):
    """What follows it is repeated: never another epoch's test."""
    result, output = undisturbed
    tested = result["tested_epoch"]

    def damage(run):
        for folder in (run / "save").glob("CKPT+*"):
            if f"epoch: {tested}\n" in (folder / "CKPT.yaml").read_text():
                flip(folder / "encoder.ckpt")

    again, folder = go_on(esc50, output, tmp_path, damage)
    assert list((folder / "save").glob(f"{ASIDE}*"))
    for key in KEYS:
        assert again[key] == result[key], key
    weights, others = weights_of(folder), weights_of(output)
    assert all(torch.equal(v, others[k]) for k, v in weights.items())


def test_the_checkpoints_of_version_0_1_have_no_checksums(unfinished, tmp_path):
    shutil.copytree(unfinished, tmp_path / "run")
    for sums in (tmp_path / "run" / "save").glob("*/SHA256SUMS"):
        sums.unlink()
    before = sorted((tmp_path / "run" / "save").iterdir())
    tidy_checkpoints(tmp_path / "run" / "save", "accuracy")
    assert sorted((tmp_path / "run" / "save").iterdir()) == before
