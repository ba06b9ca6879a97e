"""The page of what a run got wrong: whole, offline, and it names what is not."""

import base64
import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pandas
import pytest
import soundfile
import torch
from finished_runs import TAGS, clips_of_test
from sklearn.metrics import precision_recall_fscore_support
from speechbrain_petl import InputError
from speechbrain_petl.inference.classes import figures_of, judge, said_of
from speechbrain_petl.inference.commands.errors import main
from speechbrain_petl.inference.error_page import write_errors
from speechbrain_petl.inference.tested import Tested, read_tested
from speechbrain_petl.training.predictions import PREDICTIONS

RESULT = {"dataset": "d", "method": "m", "metrics": {"loss": 0.5}}
EVIL = "<script>alert('x')</script>"


def make_tested(activation="softmax", clips=60, classes=4, seed=0):
    """Something that was tested, without sounds."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(clips, classes, generator=generator)
    truth = torch.bernoulli(torch.full((clips, classes), 0.4))
    if activation == "softmax":
        truth = torch.eye(classes)[torch.randint(classes, (clips,))]
    values = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
    labels = [EVIL, *(f"c{i}" for i in range(1, classes))]
    ids = [f"<img src=x onerror=alert({i})>" for i in range(clips)]
    return Tested(RESULT, activation, labels, ids, truth, values.double())


def ids_and_links(text):
    """The anchors of a page, and what leads to one."""
    anchors = re.findall(r' id="([^"]*)"', text)
    assert len(anchors) == len(set(anchors))
    return set(anchors), set(re.findall(r'href="#([^"]*)"', text))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_figures_are_those_of_scikit_learn(activation):
    said = make_tested(activation)
    wanted = precision_recall_fscore_support(
        said.truth.numpy(), said_of(said).numpy(), zero_division=0
    )
    rows = figures_of(said)
    for name, values in zip(("precision", "recall", "f1", "clips"), wanted):
        found = [row[name] or 0 for row in rows]
        assert found == pytest.approx(values.tolist())


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_what_comes_from_data_is_text(activation, tmp_path):
    """And every link leads somewhere."""
    path = tmp_path / "page.html"
    said = write_errors(make_tested(activation), path)
    text = path.read_text()
    assert said["clips"] == 60 and 20 < said["wrong"] < 60
    assert "<script" not in text and "<img src=x" not in text
    assert "&lt;script&gt;" in text and "&lt;img src=x" in text
    anchors, links = ids_and_links(text)
    assert links <= anchors
    assert bool(links) == (activation == "softmax")


def test_the_worst_comes_first_and_no_more_than_asked_for(tmp_path):
    path = tmp_path / "page.html"
    everything = make_tested()
    write_errors(everything, path, clips=5)
    shown = re.findall(r'id="clip-(\d+)">\s*<p>(.*?)</p>', path.read_text())
    wrong = [clip for clip in judge(everything) if clip["wrong"]]
    wrong.sort(key=lambda clip: -clip["confidence"])
    numbers = [re.search(r"alert\((\d+)\)", text)[1] for _, text in shown]
    wanted = [re.search(r"\d+", clip["id"])[0] for clip in wrong[:5]]
    assert numbers == wanted
    assert f"{len(wrong) - 5} more are not shown" in path.read_text()


def test_many_classes_and_several_labels(tmp_path):
    """A list in the place of a matrix; any of a clip's labels is right."""
    many = make_tested(classes=70)
    many.truth[:, 3] = 1
    many.probabilities[0] = torch.eye(70)[3]
    path = tmp_path / "page.html"
    write_errors(many, path)
    assert 'class="matrix"' not in path.read_text()
    assert "taken for" in path.read_text()
    assert not judge(many)[0]["wrong"] and judge(many)[1]["wrong"]


def test_the_page_of_a_run(finished, tmp_path, capsys):
    """It is what predictions.csv says, with sounds and pictures inside."""
    run, path = finished("ESC50"), tmp_path / "page.html"
    capsys.readouterr()
    main([str(run), f"--output={path}", "--clips=1000"])
    table = pandas.read_csv(run / PREDICTIONS, dtype={"id": str})
    wrong = table[table["label"] != table["predicted"]]
    said = capsys.readouterr().out
    assert said == f"{path}: {len(wrong)} of {len(table)} clips are wrong\n"
    text = path.read_text()
    assert not re.search(r"https?:|src=\"(?!data:)|@import|url\(", text)
    anchors, links = ids_and_links(text)
    assert links <= anchors and "<script" not in text
    counts = Counter(zip(table["label"], table["predicted"]))
    cells = re.findall(r'href="#cell-\d+-\d+">(\d+)<', text)
    assert sorted(map(int, cells)) == sorted(counts.values())
    sounds = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', text)
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(sounds) == len(pictures) == len(wrong) > 3
    clips = clips_of_test(run)
    worst = wrong.assign(sure=wrong.filter(like="p(").max(axis=1)).sort_values(
        "sure", ascending=False, kind="stable"
    )
    heard = soundfile.info(io.BytesIO(base64.b64decode(sounds[0])))
    real = soundfile.info(clips[worst["id"].iloc[0]])
    assert heard.duration == pytest.approx(real.duration, abs=0.15)


def test_what_cannot_be_heard_is_named(finished, tmp_path, capsys):
    run = shutil.copytree(finished("ESC50"), tmp_path / "run")
    manifest = run / "save" / "test.json"
    entries = json.loads(manifest.read_text())
    for entry in entries.values():
        entry["wav"] = str(tmp_path / "gone" / Path(entry["wav"]).name)
    manifest.write_text(json.dumps(entries))
    main([str(run), "--clips=3"])
    said = capsys.readouterr().out
    assert said.count("not heard: the audio file") == 3
    assert said.count("is missing") == 3
    text = (run / "errors.html").read_text()
    assert text.count("is missing") == 3 and "<audio" not in text
    manifest.unlink()
    main([str(run), "--clips=3"])
    assert "the run does not say" in capsys.readouterr().out


def test_tags_that_no_table_holds(finished, tmp_path, capsys):
    """AudioSet's run has no predictions.csv: the model is asked again."""
    run, path = finished("AudioSet"), tmp_path / "page.html"
    said = read_tested(run)
    wanted = dict(zip(clips_of_test(run), json.loads((run / TAGS).read_text())))
    assert said.ids == sorted(wanted)
    for name, values in zip(said.ids, said.probabilities.tolist()):
        assert values == pytest.approx(wanted[name], abs=5e-6)
    main([str(run), f"--output={path}"])
    assert "clips are wrong" in capsys.readouterr().out
    assert "labelled <b>" in path.read_text()
    assert 'class="matrix"' not in path.read_text()


def test_windows_are_heard_from_first_to_last(finished):
    said = read_tested(finished("SampleIdentification"))
    assert set(said.ids) <= set(said.sounds)
    path, start, stop = said.sounds[said.ids[0]]
    assert Path(path).is_file() and stop > start


def test_what_is_no_finished_run_is_refused(tmp_path, finished):
    with pytest.raises(InputError, match="nowhere is no folder"):
        main([str(tmp_path / "nowhere")])
    run = str(finished("ESC50"))
    with pytest.raises(InputError, match="--output=.*no such folder"):
        main([run, f"--output={tmp_path}/no/page.html"])
    with pytest.raises(InputError, match="--output=/dev/null is a device"):
        main([run, "--output=/dev/null"])
    with pytest.raises(InputError, match="base=.*need no base: give none"):
        main([run, "--base=/nowhere"])


@pytest.mark.slow
def test_in_a_browser(finished, tmp_path):
    """Chromium shows it without network; a cell opens, a sound has a length."""
    playwright = pytest.importorskip("playwright.sync_api")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser here")
    path = tmp_path / "page.html"
    main([str(finished("ESC50")), f"--output={path}"])
    with playwright.sync_playwright() as api:
        chromium = api.chromium.launch(
            executable_path=browser, args=["--no-sandbox"]
        )
        page = chromium.new_context(offline=True).new_page()
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.goto(path.as_uri())
        assert re.search(
            r"accuracy \d+\.\d %", page.locator("p").first.inner_text()
        )
        link = page.locator(".matrix a").first
        cell = page.locator(link.get_attribute("href"))
        assert not cell.is_visible()
        link.click()
        assert cell.is_visible()
        length = page.locator("audio").first.evaluate(
            """audio => new Promise(done => {
                audio.onloadedmetadata = () => done(audio.duration);
                audio.onerror = () => done(-1);
                audio.load();
            })"""
        )
        assert length > 0.1 and not said, said
        chromium.close()
