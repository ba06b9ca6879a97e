"""Adapter folders to give away: model card, upload, download, by fakes only."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from finished_runs import run_of, unseal
from huggingface_hub import ModelCard
from speechbrain_petl import AudioClassifier, InputError, save_pretrained
from speechbrain_petl.inference.commands.share import main
from speechbrain_petl.inference.reading import (
    DESCRIPTION,
    HPARAMS,
    read_adapter,
    read_run,
)
from speechbrain_petl.inference.share import FILES, README, push, save_adapter
from speechbrain_petl.inference.stock import PYTHON, WHOLE
from speechbrain_petl.weights import kept_base
from speechbrain_petl.weights.adapter_files import HASH, WEIGHTS

from speechbrain.utils.fetching import FetchConfig

CPU = {"device": "cpu"}
NAME = "someone/ten-sounds"
BASE = "MIT/ast-tiny"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """What the two functions and the class of the client do, in a folder."""

    def __init__(self, folder):
        self.folder, self.asked, self.error = folder, [], None

    def create_repo(self, repository, private, exist_ok):
        """Make it."""
        assert exist_ok
        if self.error:
            raise self.error
        self.asked.append((repository, private))
        (self.folder / repository).mkdir(parents=True, exist_ok=True)
        return f"https://hub/{repository}"

    def file_exists(self, repo_id, filename):
        """Whether it is there."""
        return (self.folder / repo_id / filename).is_file()

    def upload_folder(
        self,
        repo_id,
        folder_path,
        allow_patterns,
        delete_patterns,
        commit_message,
    ):
        """Delete, then copy the files that are allowed."""
        assert commit_message
        for pattern in delete_patterns or []:
            for path in (self.folder / repo_id).glob(pattern):
                path.unlink()
        for path in sorted(Path(folder_path).rglob("*")):
            if any(path.match(pattern) for pattern in allow_patterns):
                shutil.copy(path, self.folder / repo_id / path.name)

    def upload_file(self, repo_id, path_or_fileobj, path_in_repo):
        """Write one."""
        (self.folder / repo_id / path_in_repo).write_bytes(path_or_fileobj)

    def download(self, repo_id, filename, revision=None, **kwargs):
        """The path of a file."""
        self.asked.append((repo_id, filename, revision))
        path = self.folder / repo_id / filename
        if not path.is_file():
            raise huggingface_hub.errors.EntryNotFoundError(
                f"404: {filename}\nRequest ID: 1"
            )
        return str(path)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub without a network."""
    fake = FakeHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fake.download)
    return fake


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory):
    """An adapter folder of an ESC-50 run."""
    folder = tmp_path_factory.mktemp("share") / "new" / "ten"
    return save_adapter(finished("ESC50"), folder, NAME)


def on_base(finished, tmp_path, source):
    """A copy of a run that says it started from some weights."""
    run = shutil.copytree(finished("ESC50"), tmp_path / "run")
    unseal(run / "result.json")
    text = (run / HPARAMS).read_text()
    assert text.count("\nsource:") == 1
    head, _, tail = text.partition("\nsource:")
    tail = tail[tail.index("\n") :]
    (run / HPARAMS).write_text(f"{head}\nsource: {source}{tail}")
    return run


def said(source, **kwargs):
    """Probabilities of some noise."""
    model = AudioClassifier.from_hparams(source, run_opts=CPU, **kwargs)
    generator = torch.Generator().manual_seed(3)
    return model.classify_batch(torch.randn(2, 9000, generator=generator))[0]


def test_the_card(folder, finished):
    """A header that the hub reads, and figures of the run."""
    result = json.loads((finished("ESC50") / "result.json").read_text())
    card = ModelCard.load(folder / README)
    assert card.data.library_name == "speechbrain"
    assert card.data.pipeline_tag == "audio-classification"
    assert {"speechbrain_petl", "lora"} <= set(card.data.tags)
    assert card.data.datasets == ["ESC-10"]
    assert card.data.metrics == ["accuracy"]
    assert "EncoderClassifier.from_hparams(source=" in card.text
    assert "without speechbrain_petl" in card.text
    (accuracy,) = card.data.eval_results
    value = result["metrics"]["accuracy"]
    assert accuracy.metric_value == pytest.approx(value, rel=1e-5)
    assert len(str(accuracy.metric_value)) <= len("0.123456")
    assert accuracy.dataset_name == "ESC-10"
    assert "base_model" not in card.data.to_dict()
    tensors, metadata = read_run(finished("ESC50")).tensors, None
    metadata = read_adapter(folder).metadata
    for text in (
        f"{result['trainable_parameters']:,} of {result['total_parameters']:,}",
        f"| accuracy | {result['metrics']['accuracy']:.4g} |",
        "lora for ESC-10, on random weights",
        "fold: 1, ",
        metadata[HASH],
        "chainsaw, clock_tick",
        f"sbpetl classify {NAME} sound.wav\n",
        f'from_hparams("{NAME}")',
    ):
        assert text in card.text, text
    assert tensors.keys() == {"encoder", "classifier"}


def test_a_local_base_is_asked_for(finished, tmp_path, capsys):
    """Its path stays private; whoever loads the adapter gives theirs."""
    base = read_run(finished("ESC50")).base()
    weights = save_pretrained(base, tmp_path / "secret" / "mine.safetensors")
    run = on_base(finished, tmp_path, weights)
    main(["save", str(run), str(tmp_path / "shared")])
    printed = capsys.readouterr().out.splitlines()
    names = (*FILES, HPARAMS, *WHOLE)
    sizes = [(tmp_path / "shared" / n).stat().st_size for n in names]
    assert [line.split()[1] for line in printed] == [f"{n:,}" for n in sizes]
    for name in FILES:
        assert b"secret" not in (tmp_path / "shared" / name).read_bytes()
    card = (tmp_path / "shared" / README).read_text()
    assert "sound.wav --base=/path/to/mine.safetensors\n" in card
    assert 'from_hparams("shared", base="/path/to/mine.safetensors")' in card
    assert ", on mine.safetensors" in card
    with pytest.raises(InputError, match="shared adapts .* give its file"):
        said(tmp_path / "shared")
    wanted = said(run)
    assert torch.equal(said(tmp_path / "shared", base=weights), wanted)
    weights.rename(tmp_path / "moved.safetensors")
    with pytest.raises(InputError, match="mine.safetensors, give its file"):
        save_adapter(run, tmp_path / "again")
    moved = tmp_path / "moved.safetensors"
    save_adapter(run, tmp_path / "again", base=moved)
    assert torch.equal(said(tmp_path / "again", base=moved), wanted)


def test_a_base_of_the_hub(finished, tmp_path, hub, monkeypatch):
    """It is named with the revision that the run has used, and fetched so."""
    base = read_run(finished("ESC50")).base()
    cached = tmp_path / "hub" / BASE / "snapshots" / REVISION
    weights = save_pretrained(base, cached / "model.safetensors")
    shutil.copy(weights, tmp_path / "hub" / BASE)
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda source, name: str(weights) if name == weights.name else None,
    )
    run = on_base(finished, tmp_path, BASE)
    save_adapter(run, tmp_path / "shared")
    hub.asked.clear()
    said(tmp_path / "shared")
    assert (BASE, "model.safetensors", REVISION) in hub.asked
    card = ModelCard.load(tmp_path / "shared" / README)
    assert card.data.base_model == BASE
    assert f"{BASE} at revision `{REVISION}`, of which" in card.text
    assert "sound.wav\n" in card.text


def test_full_fine_tuning_is_shared_whole(finished, tmp_path):
    """It needs no base, and its card says so."""
    run = run_of("full", finished("ESC50"), tmp_path / "run")
    folder = save_adapter(run, tmp_path / "shared")
    assert torch.equal(said(folder), said(run))
    assert "It needs no other weights" in (folder / README).read_text()


def test_push_and_load(folder, hub):
    """Up and down again: the same model, and no other file of the folder."""
    (folder / "passwords.txt").write_text("12345")
    main(["push", str(folder), NAME, "--private"])
    assert hub.asked == [(NAME, True)]
    there = {path.name for path in (hub.folder / NAME).iterdir()}
    (python,) = folder.glob(PYTHON)
    stock = {HPARAMS, python.name, *WHOLE}
    assert there == {DESCRIPTION, WEIGHTS, README, kept_base.BASE, *stock}
    text = (hub.folder / NAME / HPARAMS).read_text()
    assert f'pretrained_path: "{NAME}"\n' in text
    assert text != (folder / HPARAMS).read_text()
    hub.asked.clear()
    assert torch.equal(said(NAME), said(folder))
    asked = {asked[1] for asked in hub.asked}
    assert asked == {DESCRIPTION, WEIGHTS, kept_base.BASE}
    hub.asked.clear()
    said(NAME, fetch_config=FetchConfig(revision="v1"))
    assert {asked[2] for asked in hub.asked} == {"v1"}
    push(folder, NAME)
    assert hub.asked[-1] == (NAME, False)


def test_a_repository_that_is_not_there(hub):
    """Neither here nor on the hub."""
    with pytest.raises(
        InputError, match="no/such is no folder here, .*NotFoundError: 404: a"
    ):
        said("no/such")
    for path in ("./no/such", "/no/such", "such", "no/such/folder"):
        with pytest.raises(InputError, match=f"there is no folder {path}"):
            said(path)
    assert {asked[0] for asked in hub.asked} == {"no/such"}


@pytest.mark.parametrize("older", [True, False])
def test_what_an_older_adapter_left(folder, hub, tmp_path, older):
    """Beside the new one it would be loaded; other people's files stay."""
    light = tmp_path / "light"
    light.mkdir()
    for name in FILES:
        shutil.copy(folder / name, light)
    there = hub.folder / NAME
    there.mkdir(parents=True)
    old = ["hyperparams.yaml", "lobe_0123abcd.py", *WHOLE, "config.json"]
    for name in old + [DESCRIPTION] * older:
        (there / name).touch()
    push(light, NAME)
    left = {*FILES, "config.json"} if older else {*FILES, *old}
    assert {path.name for path in there.iterdir()} == left


def test_what_cannot_be_pushed(folder, hub, tmp_path, finished):
    """No adapter folder, a broken one, no token."""
    with pytest.raises(InputError, match="holds no adapter.json and no REA"):
        push(finished("ESC50"), NAME)
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / WEIGHTS).write_bytes(b"version https://git-lfs")
    with pytest.raises(InputError, match="cannot be read as an adapter"):
        push(broken, NAME)
    assert hub.asked == []
    hub.error = PermissionError("401 Client Error\nRequest ID: 1")
    with pytest.raises(InputError, match="401 Client Error. `hf auth login`"):
        push(folder, NAME)


def test_only_finished_runs_are_shared(finished, tmp_path):
    """Nothing is written otherwise, nor in the place of a file."""
    with pytest.raises(InputError, match="is no folder"):
        save_adapter(tmp_path / "run", tmp_path / "shared")
    assert not (tmp_path / "shared").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is a file: name a folder"):
        save_adapter(finished("ESC50"), tmp_path / "file")


def test_what_is_there_is_not_written_over(finished, tmp_path):
    """A data set, a project, the run itself; an adapter is, and what git has."""
    run, project = finished("ESC50"), tmp_path / "project"
    project.mkdir()
    (project / "README.md").write_text("mine")
    before = (run / "hyperparams.yaml").read_bytes()
    for folder in (project, run):
        with pytest.raises(InputError, match="and no adapter.json: name a new"):
            save_adapter(run, folder)
    assert (project / "README.md").read_text() == "mine"
    assert (run / "hyperparams.yaml").read_bytes() == before
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    for _ in range(2):
        save_adapter(run, tmp_path / "clone")


def test_nothing_of_the_adapter_before_is_left(finished, tmp_path, hub):
    """Its whole weights, classes and base go; files of the user stay."""
    folder = save_adapter(finished("ESC50"), tmp_path / "shared")
    before = {path.name for path in folder.iterdir()}
    mine = {"lobe_mine.py", "notes.ckpt", "train.yaml"}
    for name in mine:
        (folder / name).write_text("mine")
    run = run_of("full", finished("ESC50"), tmp_path / "run")
    save_adapter(run, folder, whole=False)
    assert {kept_base.BASE, HPARAMS, *WHOLE} < before
    there = {path.name for path in folder.iterdir()}
    assert there == {*FILES, *mine}
    push(folder, NAME)
    assert {p.name for p in (hub.folder / NAME).iterdir()} == set(FILES)
    assert torch.equal(said(folder), said(run))


@pytest.mark.parametrize("text", ['{"format": "another"}', "[1]", "no json"])
def test_a_description_of_others_frees_nothing(finished, tmp_path, text):
    """A folder that happens to hold a file of that name."""
    (tmp_path / DESCRIPTION).write_text(text)
    (tmp_path / WHOLE[0]).write_text("mine")
    save_adapter(finished("ESC50"), tmp_path, whole=False)
    assert (tmp_path / WHOLE[0]).read_text() == "mine"


@pytest.mark.parametrize(
    "options, words",
    [
        ({"base": "/nowhere"}, "there is no file or folder /nowhere"),
        ({"base": __file__}, "test_share.py"),
        ({"name": "a b/c"}, "--name=a b/c: "),
        ({"name": "a/b/c"}, "--name=a/b/c: "),
    ],
)
def test_nothing_is_written_of_what_is_refused(
    finished, tmp_path, options, words
):
    with pytest.raises(InputError, match=words):
        save_adapter(finished("ESC50"), tmp_path / "shared", **options)
    assert not (tmp_path / "shared").exists()


def test_a_base_that_is_missing_is_named(finished, tmp_path, caplog):
    """Another version of torch would draw another one."""
    run = shutil.copytree(finished("ESC50"), tmp_path / "run")
    (run / kept_base.FOLDER / kept_base.BASE).unlink()
    save_adapter(run, tmp_path / "shared")
    assert f"{kept_base.BASE} is missing" in caplog.text


def test_an_empty_argument_is_none(finished, capsys):
    """Of any command: a path would be here."""
    for words in (["", "x"], ["x", "--name="]):
        with pytest.raises(SystemExit):
            main(["save", str(finished("ESC50")), *words])
        assert "an argument is empty" in capsys.readouterr().err
