"""The page to try models in, in a real browser."""

import shutil
import socket

import pytest
import soundfile
import torch
from finished_runs import altered
from speechbrain_petl import AdapterSet, InputError
from speechbrain_petl.inference import demo
from speechbrain_petl.inference.commands import demo as demo_command


def test_another_base_is_refused(finished):
    models = [str(finished("ESC50")), str(finished("whisper"))]
    with pytest.raises(InputError, match="put it into a set of its own"):
        demo_command.main(models)


def test_the_page_has_all_models(finished, tmp_path):
    pytest.importorskip("gradio")
    run = finished("ESC50")
    adapters = AdapterSet()
    adapters.add("one", run)
    adapters.add("two", altered(run, tmp_path / "two", seed=1))
    page = demo.make_page(adapters)
    (model,) = (
        b for b in page.blocks.values() if type(b).__name__ == "Dropdown"
    )
    assert [name for name, _ in model.choices] == ["one", "two"]


def test_what_is_no_sound_is_called_as_it_was(finished, tmp_path):
    """By its name, not by where the server keeps it; and it is no markup."""
    adapters = AdapterSet()
    adapters.add("one", finished("ESC50"))
    path = tmp_path / "<b>a.wav"
    path.write_text("words")
    answers = demo.answers_of(adapters, RuntimeError)(str(path), "one")
    with pytest.raises(RuntimeError, match="^&lt;b&gt;a.wav is no audio file"):
        next(answers)


@pytest.mark.slow
def test_in_a_browser(finished, tmp_path):
    """Upload a clip, read its label, see the picture; choose another model."""
    pytest.importorskip("gradio")
    playwright = pytest.importorskip("playwright.sync_api")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser here")
    run, wav = finished("ESC50"), tmp_path / "a.wav"
    soundfile.write(wav, torch.randn(9000).numpy() / 10, 16000)
    adapters = AdapterSet()
    adapters.add("one", run)
    adapters.add("two", altered(run, tmp_path / "two", seed=1))
    wanted = [adapters[name].classify_file(wav)[3][0] for name in adapters]
    assert wanted[0] != wanted[1]
    page = demo.make_page(adapters)
    page.launch(prevent_thread_lock=True, quiet=True)
    try:
        with playwright.sync_playwright() as api:
            chromium = api.chromium.launch(
                executable_path=browser, args=["--no-sandbox"]
            )
            shown = chromium.new_page()
            shown.goto(page.local_url)
            shown.locator("input[type=file]").first.set_input_files(wav)
            label = shown.locator("[data-testid=label-output-value]")
            label.wait_for(timeout=120_000)
            assert label.inner_text().strip() == wanted[0]
            picture = shown.locator("[data-testid=matplotlib] img")
            picture.wait_for(timeout=120_000)
            first = picture.get_attribute("src")
            shown.get_by_label("model").click()
            shown.get_by_role("option", name="two").click()
            shown.wait_for_function(
                "old => ![null, undefined, old].includes(document"
                ".querySelector('[data-testid=matplotlib] img')?.src)",
                arg=first,
                timeout=120_000,
            )
            assert label.inner_text().strip() == wanted[1]
            chromium.close()
    finally:
        page.close()


def test_an_address_that_it_cannot_have():
    """Is refused before any model is loaded."""
    with pytest.raises(
        InputError, match="--host=nowhere.invalid --port=7860: "
    ):
        demo_command.main(["no model", "--host=nowhere.invalid"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port={port}: Address already"):
            demo_command.main(["no model", f"--port={port}"])
