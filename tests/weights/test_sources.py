"""Where weights are found, and what is said where they are not."""

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from checkpoints import SIZE, refusal, same
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from safetensors.torch import save_file
from speechbrain_petl.lobes.ast import AST
from speechbrain_petl.weights.loading import load_pretrained, save_pretrained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A repository with one model.safetensors."""
    path = tmp_path_factory.mktemp("repository")
    save_pretrained(AST(SIZE), path / "model.safetensors")
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return load_pretrained(AST(SIZE), folder)


@pytest.mark.parametrize(
    "source",
    [
        *("./none", "../none", "/none/at/all", "~/none/at/all", "none.pth"),
        *("some/none.pt", "a/none.bin", "none.safetensors", Path("no/ne")),
    ],
)
def test_a_missing_path_is_never_taken_for_a_repository(source, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", None)
    path = str(Path(source).expanduser())
    refusal(source, "no file or folder", path, "Accepted are")


def test_a_folder_without_weights_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    words = "holds no weights", "model.safetensors", "pytorch_model.bin"
    refusal(tmp_path, str(tmp_path), *words, "Accepted are")


def test_a_folder_of_several_is_refused(tmp_path):
    for name in ("one.pth", "two.pth"):
        (tmp_path / name).touch()
    refusal(tmp_path, str(tmp_path), "one.pth, two.pth", "name the one")


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["safetensors", "pth", "legacy.pth"])
def test_a_damaged_file_is_refused(kind, share, encoder, tmp_path):
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        save_pretrained(encoder, path)
    else:
        new = kind == "pth"
        state = encoder.state_dict()
        torch.save(state, path, _use_new_zipfile_serialization=new)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refusal(path, str(path), "cannot be read", "cut short", "Accepted are")


@pytest.mark.parametrize("name", ["weights.pth", "model.safetensors"])
def test_a_text_is_refused(name, tmp_path):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1")
    refusal(tmp_path, name, "cannot be read", "git-lfs pointer")


class Dangerous:
    """What weights_only must never run."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_a_pickle_is_not_executed(tmp_path):
    torch.save({"model": Dangerous()}, tmp_path / "weights.pt")
    named = "more than tensors, such as "
    message = refusal(tmp_path, "weights.pt", named, "state dict alone")
    assert "trust" not in message


@pytest.mark.parametrize(
    "content", [[1, 2], {}, {"epoch": 3}, {3: torch.ones(1)}, torch.ones(2)]
)
def test_what_is_no_state_dict_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "weights.pt")
    refusal(tmp_path, "weights.pt", "holds no state dict", "Accepted are")


def serve(monkeypatch, folder, calls=None):
    """hf_hub_download, from a folder."""

    def download(repository, name, revision=None):
        if calls is not None:
            calls.append((repository, name, revision))
        if not (folder / name).exists():
            raise EntryNotFoundError("404 Client Error")
        return str(folder / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)


def test_a_repository_is_downloaded(folder, encoder, monkeypatch):
    calls, repository = [], "MIT/ast-finetuned-audioset-10-10-0.4593"
    serve(monkeypatch, folder, calls)
    assert same(load_pretrained(AST(SIZE), repository, "f826b80"), encoder)
    assert calls == [
        (repository, "model.safetensors", "f826b80"),
        (repository, "config.json", "f826b80"),
        (repository, "preprocessor_config.json", "f826b80"),
    ]


def test_an_old_repository_has_a_bin(encoder, tmp_path, monkeypatch):
    torch.save(encoder.state_dict(), tmp_path / "pytorch_model.bin")
    serve(monkeypatch, tmp_path)
    assert same(load_pretrained(AST(SIZE), "MIT/ast"), encoder)


def test_a_repository_of_several_files(encoder, tmp_path, monkeypatch):
    state = list(encoder.state_dict().items())
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for name, part in zip(names, (state[:9], state[9:])):
        save_file({k: v.contiguous() for k, v in part}, tmp_path / name)
    named = {k: names[number > 8] for number, (k, _) in enumerate(state)}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": named}))
    calls = []
    serve(monkeypatch, tmp_path, calls)
    assert same(load_pretrained(AST(SIZE), "MIT/ast"), encoder)
    fetched = ["model.safetensors", index.name, *names]
    assert [name for _, name, _ in calls][:4] == fetched


def test_offline_without_a_cached_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    words = "'MIT/ast'", "offline", "not in the cache"
    refusal("MIT/ast", *words, "--source=/path/to/folder")


def test_a_hub_out_of_reach_is_asked_once(monkeypatch):
    """Its client tries for half a minute; other names may be in the cache."""
    asked = []

    def download(repository, name, revision=None, local_files_only=False):
        asked.append(local_files_only)
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    refusal("MIT/ast", "'MIT/ast' is no file or folder here")
    assert asked == [False, True, True, True]


class NoRepository(RepositoryNotFoundError):
    """Whose constructor wants no response in any version of the client."""

    def __init__(self):
        Exception.__init__(self, "401 Client Error")


@pytest.mark.parametrize(
    "error, words",
    [
        (LocalEntryNotFoundError("no"), ["offline", "not in the cache"]),
        (OfflineModeIsEnabled("no"), ["offline"]),
        (NoRepository(), ["no such repository", "private"]),
        (ConnectionError("refused"), ["ConnectionError: refused"]),
        (TimeoutError(), ["TimeoutError"]),
        (EntryNotFoundError("no"), ["neither model.safetensors nor"]),
    ],
)
def test_a_failed_download_names_the_remedy(error, words, monkeypatch):
    def download(*args, **kwargs):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    refusal("MIT/ast", "'MIT/ast'", *words, "--source=/path/to/folder")


def test_a_name_that_cannot_be_a_repository():
    """Nobody is asked for it."""
    refusal("a/b/c", "no file or folder a/b/c", "correct the path")
