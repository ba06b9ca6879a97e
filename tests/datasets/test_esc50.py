"""ESC-50 as a user runs it: formats, results, wrong input, running again."""

import json
import shutil

import pandas
import pytest
import torch
from layouts import make_esc50, truncated_wav
from running import (
    ESC50,
    arguments,
    load_train,
    result_of,
    run,
    run_elsewhere,
    weights_of,
)
from speechbrain_petl import AST, InputError, save_pretrained

CLIP = "3-3004-A-12.wav"  # of the training set of fold 1


@pytest.fixture(scope="module")
def finished(esc50, tmp_path_factory):
    """The output folder and the result of a run of LoRA."""
    output = tmp_path_factory.mktemp("finished")
    return output, run(esc50, output)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of another size than the tests' encoder."""
    path = tmp_path_factory.mktemp("source") / "other.safetensors"
    save_pretrained(AST((48, 2, 3), frames=64), str(path))
    return path


def test_every_form_of_clip_trains(finished):
    """Stereo, 8 and 48 kHz, 24 bit, 50 ms and 12 s are in every fold."""
    _, result = finished
    losses = [epoch["train"]["loss"] for epoch in result["history"]]
    assert losses[1] < losses[0]
    assert 0 <= result["metrics"]["accuracy"] <= 1
    assert 0 < result["metrics"]["loss"] < losses[0]


def test_the_result_says_it_all(finished):
    output, result = finished
    assert result == result_of(output)
    expected = {
        "dataset": "ESC-10",
        "method": "lora",
        "protocol": "3-1-1",
        "fold": 1,
        "seed": 1,
        "select": "accuracy",
        "precision": "fp32",
        "processes": 1,
        "debug": False,
    }
    assert {key: result[key] for key in expected} == expected
    assert "CPU" in result["device"] and result["command"]
    # two blocks' rank 6 matrices of q and v, LayerNorm, Linear
    trainable = 2 * 2 * 6 * (32 + 32) + 2 * 32 + 32 * 10 + 10
    assert result["trainable_parameters"] == trainable
    encoder = AST((32, 2, 2), frames=64)
    total = sum(p.numel() for p in encoder.parameters())
    adapters = trainable - 2 * 32
    assert result["total_parameters"] == total + adapters
    assert 4 * trainable < result["adapter_bytes"] < 4 * trainable + 8000
    assert [e["epoch"] for e in result["history"]] == [1, 2]
    for epoch in result["history"]:
        for split in ("train", "valid"):
            assert set(epoch[split]) == {"loss", "accuracy"}
    accuracies = [e["valid"]["accuracy"] for e in result["history"]]
    best = accuracies[result["tested_epoch"] - 1]
    assert best == max(accuracies)
    assert 0 < result["seconds"] < 60


def test_what_a_run_keeps(finished):
    output, _ = finished
    # but the lock, which is this process's until it ends
    kept = {path.name for path in output.glob("[!.]*")}
    assert kept == {
        *("adapter.safetensors", "env.log", "hyperparams.yaml", "log.txt"),
        *("predictions.csv", "result.json", "save", "train.py"),
        "train_log.txt",
    }
    assert 1 <= len(list(output.glob("save/CKPT+*"))) <= 2
    labels = (output / "save" / "labels.txt").read_text()
    assert "'chainsaw' => 0" in labels


def test_predictions_are_those_that_were_scored(finished):
    """One row per test clip; their accuracy is the result's."""
    output, result = finished
    table = pandas.read_csv(output / "predictions.csv")
    assert table["id"].is_unique and len(table) == 10
    right = (table["label"] == table["predicted"]).mean()
    assert right == pytest.approx(result["metrics"]["accuracy"])
    shares = table.filter(regex=r"^p\(")
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    likeliest = shares.idxmax(axis=1).str[2:-1]
    assert (likeliest == table["predicted"]).all()


def test_running_it_again_trains_nothing(finished, esc50, monkeypatch):
    output, result = finished
    train = load_train()
    monkeypatch.setattr(train.ESC50Brain, "fit_batch", None)  # no call
    again = train.main(arguments(esc50, output))
    for key in ("metrics", "history", "tested_epoch", "seconds"):
        assert again[key] == result[key], key


def test_test_only_is_the_same_test(finished, esc50):
    output, result = finished
    again = run(esc50, output, "--test_only")
    assert again["metrics"] == result["metrics"]
    assert again["history"] == result["history"]
    assert again["seconds"] == result["seconds"]


def test_test_only_without_a_run(esc50, tmp_path):
    with pytest.raises(InputError, match="no checkpoint .* train before you"):
        run(esc50, tmp_path, "--test_only")


def test_another_seed_is_another_run(finished, esc50, tmp_path):
    _, result = finished
    same = run(esc50, tmp_path / "same")
    other = run(esc50, tmp_path / "other", "--seed=2")
    assert same["metrics"] == result["metrics"]
    assert same["history"] == result["history"]
    assert other["history"] != result["history"]


def test_four_folds_and_no_validation(esc50, tmp_path):
    result = run(esc50, tmp_path, "--protocol=4-1", method="linear")
    assert result["select"] is None and result["tested_epoch"] == 2
    assert set(result["history"][1]) == {"epoch", "train"}


def test_debug_keeps_no_checkpoint(esc50, tmp_path):
    result = run(esc50, tmp_path, "--debug", method="bitfit")
    assert result["debug"] and not list(tmp_path.glob("save/CKPT+*"))


def test_shots_and_a_seed_of_their_choice(esc50, tmp_path):
    result = run(esc50, tmp_path, "--shots=1", "--epochs=1")
    assert result["shots"] == 1


def test_a_checkpoint_is_used(esc50, tmp_path):
    """Frozen weights are those of the source, whatever the seed."""
    source = tmp_path / "source.safetensors"
    encoder = AST((32, 2, 2), frames=64)
    save_pretrained(encoder, str(source))
    train, seen = load_train(), []
    original = train.AdaptedEncoder

    def spy(encoder, **petl):
        seen.append(original(encoder, **petl))
        return seen[0]

    train.AdaptedEncoder = spy
    options = f"--source={source}", "--epochs=1"
    train.main(arguments(esc50, tmp_path / "out", *options, method="linear"))
    loaded = seen[0].encoder.blocks.state_dict()
    for name, value in encoder.blocks.state_dict().items():
        assert torch.equal(loaded[name], value), name


def refusal(data, output, *options):
    """What bad input is answered with; nothing was trained."""
    with pytest.raises(InputError) as error:
        run(data, output, *options)
    message = str(error.value)
    assert "\n" not in message, message
    assert not list(output.glob("**/CKPT+*"))
    assert not (output / "result.json").exists()
    return message


@pytest.mark.parametrize(
    "options, words",
    [
        (["--fold=7"], "fold=7 does not exist: ESC-50 has folds 1 to 5"),
        (["--fold=one"], "fold=one: "),
        (["--protocol=2-2"], "protocol='2-2' is not one of 3-1-1, 4-1"),
        (["--esc10=False"], "10 of 50 classes. Add --esc10=True"),
        (["--petl={train: [nrom.*]}"], "'nrom.*' matches nothing"),
        (["--frames=8"], "frames=8 and mels=128: the AST needs at least 16"),
        (["--ast_size=huge"], "ast_size='huge' is neither one of tiny224"),
        (["--source=/nowhere"], "no file or folder /nowhere"),
        (["--shots=0"], "shots=0: give a whole number, 1 or more"),
        (["--grad_accumulation_factor=9"], "grad_accumulation_factor=9 is"),
    ],
)
def test_wrong_options(esc50, tmp_path, options, words):
    assert words in refusal(esc50, tmp_path, *options)


def test_wrong_folder(tmp_path):
    message = refusal(tmp_path / "nowhere", tmp_path / "out")
    assert f"data_folder={tmp_path / 'nowhere'} is no folder" in message


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "is missing"),
        (b"", "has 0 bytes"),
        (b"words" * 99, "is no audio file"),
        (truncated_wav(), "is truncated"),
    ],
)
def test_wrong_audio(tmp_path, content, words):
    root = make_esc50(tmp_path, odd=False)
    clip = root / "audio" / CLIP
    clip.unlink()
    if content is not None:
        clip.write_bytes(content)
    message = refusal(root, tmp_path / "out")
    assert str(clip) in message and words in message


def test_a_checkpoint_of_another_size(esc50, checkpoint, tmp_path):
    message = refusal(esc50, tmp_path, f"--source={checkpoint}")
    assert str(checkpoint) in message and "48" in message and "32" in message


def test_other_settings_in_the_same_folder(finished, esc50):
    """And the finished run is not touched."""
    output, _ = finished
    before = {p: p.stat().st_mtime_ns for p in output.rglob("*")}
    with pytest.raises(InputError, match="`fold: 1` .* `fold: 2`"):
        run(esc50, output, "--fold=2")
    assert {p: p.stat().st_mtime_ns for p in output.rglob("*")} == before


def test_a_truncated_checkpoint_of_another_method(finished, esc50, tmp_path):
    """A checkpoint that does not fit says so, in one line."""
    output, _ = finished
    copy = shutil.copytree(output, tmp_path / "copy")
    (copy / "hyperparams.yaml").unlink()  # or the settings would be compared
    with pytest.raises(InputError, match="another method or encoder size"):
        run(esc50, copy, method="linear")


def test_a_user_sees_one_line_and_exit_code_1(tmp_path, monkeypatch):
    """In a process of its own, from the recipe's folder."""
    # SpeechBrain calls what torchaudio 2.8 is going to drop
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    root = make_esc50(tmp_path, odd=False)
    clip = root / "audio" / CLIP
    clip.write_bytes(truncated_wav())
    argv = arguments(root, tmp_path / "out")
    argv[0] = "hparams/lora.yaml"
    done = run_elsewhere(argv, cwd=ESC50)
    assert done.returncode == 1
    *before, last = done.stderr.strip().splitlines()
    assert last.startswith(
        f"error: train.json: the audio file {clip} is truncated"
    )
    assert "Traceback" not in done.stderr and len(before) <= 1, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    sorted(
        path.stem
        for path in (ESC50 / "hparams").glob("*.yaml")
        if path.name != "base.yaml"
    ),
)
def test_every_method_trains(esc50, tmp_path, method):
    result = run(esc50, tmp_path, method=method)
    assert result["method"] == method
    assert len(result["history"]) == 2
    json.dumps(result)


def test_an_argument_that_the_brain_does_not_take(esc50, tmp_path):
    with pytest.raises(InputError, match="brain: Brain .* argument 'foo'"):
        run(esc50, tmp_path, "--brain={foo: 1}")


def test_another_method_on_the_command_line(esc50, tmp_path):
    """DoRA in the place of the method file's LoRA: it adds magnitudes."""
    dora = (
        "{wrap: {'blocks.*.attn.qkv': !name:speechbrain_petl.DoRA {rank: 6}}}"
    )
    run(esc50, tmp_path, "--epochs=1", f"--petl={dora}")
    assert any("magnitude" in name for name in weights_of(tmp_path))
