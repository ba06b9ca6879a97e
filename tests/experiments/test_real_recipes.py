"""Sweep, search, report, ensemble and export of real recipes, not of a toy."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import optuna
import pytest
from real_jobs import copy_recipe, fork_jobs
from recipe_brains import ROWS
from running import TINY
from speechbrain_petl import InputError
from speechbrain_petl.experiments import ensemble
from speechbrain_petl.experiments.report import command as report
from speechbrain_petl.experiments.search import command as search
from speechbrain_petl.experiments.sweep import command as sweep
from speechbrain_petl.recipe.method_files import export_folder
from speechbrain_petl.recipe.parsing import check_recipe

SMALL = [o for o in TINY if "epochs" not in o and "size" not in o]
ONE = [*SMALL, "--epochs=1", "--batch_size=8"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of a name that is hard on parsers; jobs are quick."""
    fork_jobs(monkeypatch)
    folder = tmp_path / "a=b #1 {é}: c"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)  # where the data base goes
    return folder


def swept(recipe, *options):
    """Run a sweep that has no failure."""
    with pytest.raises(SystemExit) as end:
        sweep.main([str(recipe), *options])
    logs = [p.read_text() for p in Path(recipe).rglob("sweep.log")]
    assert end.value.code == 0, "\n".join(logs)[-2000:]


def results_of(folder):
    """Name of a run -> its result.json."""
    return {
        str(path.parent.relative_to(folder)): json.loads(path.read_text())
        for path in Path(folder).rglob("result.json")
    }


def test_from_sweep_to_report(place, esc50, capsys):
    recipe = copy_recipe("recipes/ESC50/train.py", place)
    options = [f"--data_folder={esc50}", *ONE, "--ast_size=[32,2,2]"]
    swept(recipe, "--methods=linear,lora", "--folds=2", *options)
    runs = results_of(recipe / "results")
    assert sorted(runs) == ["linear/fold2_seed1", "lora/fold2_seed1"]
    logs = [p.read_bytes() for p in sorted(recipe.rglob("log.txt"))]
    swept(recipe, "--methods=linear,lora", "--folds=2", *options)
    assert [p.read_bytes() for p in sorted(recipe.rglob("log.txt"))] == logs

    pictures = recipe.with_name("my #pictures (1)")
    report.main([str(recipe), f"--pictures={pictures}"])
    text = (recipe / "README.md").read_text()
    value = 100 * runs["lora/fold2_seed1"]["metrics"]["accuracy"]
    assert re.search(rf"^\| lora .*\| {value:.2f} \|", text, flags=re.M)
    links = re.findall(r"!\[.*\]\((\S+)\)$", text, flags=re.M)
    drawn = {(recipe / unquote(link)).resolve() for link in links}
    assert drawn == {path.resolve() for path in pictures.iterdir()} != set()

    folders = [str(recipe / "results" / name) for name in sorted(runs)]
    capsys.readouterr()
    ensemble.main(folders)
    assert "mean of 2: accuracy" in capsys.readouterr().out
    predictions = Path(folders[0], "predictions.csv")
    predictions.write_text(predictions.read_text().replace("dog", "rain"))
    with pytest.raises(InputError, match="has been altered"):
        ensemble.main(folders)


def test_from_search_to_export(place, esc50, capsys):
    """Values that are lists and classes; the trials stay at home."""
    recipe = copy_recipe("recipes/ESC50/train.py", place)
    options = [f"--data_folder={esc50}", *ONE]
    ranges = {
        "ast_size": ["[32,2,2]", "[16, 1, 2]"],
        "opt_class": ["!name:torch.optim.SGD {lr: 0.1}"],
    }
    ranges["opt_class"].append("!name:torch.optim.Adam {lr: 0.1}")
    search.main(
        [
            *(str(recipe / "hparams/linear.yaml"), "--study=sqlite:///a.db"),
            *("--trials=3", *options),
            *(f"--range={key}={','.join(v)}" for key, v in ranges.items()),
        ]
    )
    assert "Best of 3 trials (0 failed)" in capsys.readouterr().out
    study = optuna.load_study(
        study_name="ESC50-linear", storage="sqlite:///a.db"
    )
    tried = {tuple(t.params[key] for key in ranges) for t in study.trials}
    assert len(tried) == 3
    assert all(
        value in ranges[key]
        for values in tried
        for key, value in zip(ranges, values)
    )
    assert len(results_of(recipe / "search")) == 3

    flat = place / "flat"
    export_folder(recipe, flat, ["linear"])
    assert not {"search", "results", "report"} & {
        path.name for path in flat.iterdir()
    }
    swept(flat, *options, "--ast_size=[32,2,2]")
    with pytest.raises(InputError, match="--encoders: .* has no base.yaml"):
        sweep.main([str(flat), "--encoders=all"])
    report.main([str(flat)])
    assert re.search(r"^\| linear ", capsys.readouterr().out, flags=re.M)


def test_the_settings_of_a_run_are_not_changed_by_halves(place, esc50):
    """Its hyperparams.yaml has no references by which a value would spread."""
    recipe = copy_recipe("recipes/ESC50/train.py", place)
    options = [f"--data_folder={esc50}", *ONE, "--ast_size=[32,2,2]"]
    swept(recipe, "--methods=linear", *options)
    (name,) = results_of(recipe / "results")
    stored = str(recipe / "results" / name / "hyperparams.yaml")
    assert check_recipe([stored, "--device=cpu"])[-1]["fold"] == 1
    for option in ("--lr=0.5", f"--output_folder={place / 'other'}"):
        key = option.partition("=")[0]
        with pytest.raises(InputError, match=f"{key}: .*{name}.* is of a run"):
            check_recipe([stored, option])


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS.values(), ids=lambda r: r["Hparam_file"])
def test_every_recipe(row, samples, place, capsys):
    """A sweep and a search of each script on each kind of encoder."""
    script = Path(row["Script_file"])
    recipe = copy_recipe(script, place)
    method = Path(row["Hparam_file"]).relative_to(script.parent / "hparams")
    flags = row["test_debug_flags"].replace(
        "tests/samples", str(samples / "tests/samples")
    )
    options = [*flags.split(), "--device=cpu", "--epochs=1"]
    options.append(f"--script={script.name}")
    swept(recipe, f"--methods={method.with_suffix('')}", *options)
    assert len(results_of(recipe / "results")) == 1
    report.main([str(recipe)])
    study = ["--study=sqlite:///a.db", "--trials=1", "--range=lr=1e-4:1e-3"]
    argv = [str(recipe / "hparams" / method), *study, *options]
    if script.parent.name == "ESC50" and method.parts[0] == "original":
        with pytest.raises(InputError, match="all 1 trials failed"):
            search.main(argv)  # four folds train, one tests
        assert "no clips to validate on" in "".join(capsys.readouterr())
        return
    search.main(argv)
    assert "Best of 1 trials (0 failed)" in capsys.readouterr().out
