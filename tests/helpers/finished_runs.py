"""Finished runs of tiny recipes, to be loaded, shared and deployed."""

import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from hyperpyyaml import resolve_references
from layouts import make_esc50
from layouts_audioset import make_audioset
from layouts_brazilian_accents import make_brazilian_accents
from layouts_google_speech_commands import make_speech_commands
from layouts_sample_identification import make_sample_identification
from method_files import ROOT
from running import load_train
from speechbrain_petl import PETLBrain
from speechbrain_petl.data.checksums import KEY
from speechbrain_petl.inference.description import describe
from speechbrain_petl.inference.reading import HPARAMS, read_run
from speechbrain_petl.inference.saved import Saved
from speechbrain_petl.recipe.parsing import check_recipe
from speechbrain_petl.training.results import RESULT, sums_of_run, write_result
from speechbrain_petl.weights.adapter_files import WEIGHTS, save_weights
from speechbrain_petl.weights.kept_base import BASE
from tiny_runs import TINY, train

from speechbrain.dataio.encoder import CategoricalEncoder

SHORT = ["--epochs=1", "--lr=0.05"]  # a rate that moves the weights
RUNS = {  # kind -> recipe, layout, options
    "ESC50": ("ESC50", make_esc50, ["--esc10=True"]),
    "BrazilianAccents": ("BrazilianAccents", make_brazilian_accents, []),
    "SampleIdentification": (
        "SampleIdentification",
        make_sample_identification,
        [],
    ),
    "GoogleSpeechCommands": ("GoogleSpeechCommands", make_speech_commands, []),
    "AudioSet": (
        "AudioSet",
        make_audioset,
        ["--valid_clips=5", "--average=1"],
    ),
}
SPEECH = {  # folder of the method files -> the same; encoders of any length
    "wav2vec2": (
        "GoogleSpeechCommands",
        make_speech_commands,
        ["--encoder_size=[32,12,2]", "--seconds=0.2"],
    ),
    "beats": (
        "ESC50",
        make_esc50,
        ["--encoder_size=[32,2,2]", "--frames=64", "--esc10=True"],
    ),
    "ced": (
        "ESC50",
        make_esc50,
        ["--encoder_size=[32,2,2]", "--seconds=0.3", "--esc10=True"],
    ),
    "eat": (
        "ESC50",
        make_esc50,
        ["--encoder_size=[32,2,2]", "--frames=64", "--esc10=True"],
    ),
    "whisper": (
        "ESC50",
        make_esc50,
        ["--encoder_size=[32,2,2]", "--seconds=0.3", "--esc10=True"],
    ),
}
METHOD = {"eat": "loaa"}  # which asks the encoder for its grid; others: linear
TAGS = "tags.json"  # what an AudioSet run said, which writes no predictions


def finish(kind, folder):
    """Train a recipe on its tiny data; returns the output folder."""
    folder = Path(folder)
    if kind in SPEECH:
        return _finish_speech(kind, folder)
    recipe, layout, options = RUNS[kind]
    said = []
    score = PETLBrain.score

    def note(brain, logits, targets, **more):
        if brain.stage.name == "TEST":
            said.append(logits)
        score(brain, logits, targets, **more)

    with mock.patch.object(PETLBrain, "score", note):
        data = layout(folder / "data")
        train(recipe, data, folder / "run", *SHORT, *options)
    if kind == "AudioSet":
        temperature = read_run(folder / "run").temperature
        said = (torch.cat(said) / temperature).sigmoid().tolist()
        (folder / "run" / TAGS).write_text(json.dumps(said))
    return folder / "run"


def _finish_speech(kind, folder):
    recipe, layout, options = SPEECH[kind]
    recipe = ROOT / "recipes" / recipe
    load_train(recipe).main(
        [
            str(
                recipe / "hparams" / kind / f"{METHOD.get(kind, 'linear')}.yaml"
            ),
            f"--data_folder={layout(folder / 'data')}",
            f"--output_folder={folder / 'run'}",
            *("--source=null", "--batch_size=8", "--num_workers=0"),
            *("--device=cpu", "--noprogressbar", *options, *SHORT),
        ]
    )
    return folder / "run"


def clips_of_test(run):
    """id -> audio file of what a run has tested."""
    table = run / "save" / "test.npy"
    if table.is_file():
        files = [row["file"].decode() for row in np.load(table)]
        return {Path(file).stem: file for file in files}
    entries = json.loads((run / "save" / "test.json").read_text())
    return {e.get("file", key): e["wav"] for key, e in entries.items()}


def run_of(method, like, folder, recipe="ESC50"):
    """A finished run of another method, with random weights: not trained."""
    folder = Path(folder)
    others = shutil.ignore_patterns("CKPT*", BASE)  # named by their wrappers
    shutil.copytree(like, folder, ignore=others)
    base, _, overrides, _ = check_recipe(
        [
            str(ROOT / "recipes" / recipe / "hparams" / f"{method}.yaml"),
            f"--data_folder={folder}",
            f"--output_folder={folder}",
            *TINY,
        ]
    )
    with open(base, encoding="utf-8") as file:
        text = resolve_references(file, overrides).getvalue()
    (folder / HPARAMS).write_text(text)
    saved = Saved(describe(folder / HPARAMS), {}, {}, str(folder))
    with mock.patch("speechbrain_petl.inference.saved.load_weights"):
        modules = saved.modules(saved.base())
    scramble(modules)
    learned = {name: modules[name] for name in ("encoder", "classifier")}
    learned |= {k: m for k, m in modules.items() if _trains(m)}
    save_weights(folder / WEIGHTS, learned)
    return reseal(folder)


def describe_file(path, folder):
    """The description of a run of a method file, with two labels."""
    base, _, overrides, _ = check_recipe(
        [
            str(ROOT / path),
            f"--data_folder={folder}",
            f"--output_folder={folder}",
        ]
    )
    with open(base, encoding="utf-8") as file:
        text = resolve_references(file, overrides).getvalue()
    (folder / HPARAMS).write_text(text)
    labels = CategoricalEncoder()
    labels.update_from_iterable(["cat", "dog"])
    (folder / "save").mkdir()
    labels.save(folder / "save" / "labels.txt")
    return describe(folder / HPARAMS)


def _trains(module):
    return any(p.requires_grad for p in module.parameters())


def scramble(modules, seed=0):
    """Noise on all that is learned."""
    generator = torch.Generator().manual_seed(seed)
    for module in modules.values():
        for parameter in module.parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.data.add_(0.1 * noise)


def altered(run, folder, **changes):
    """A copy of a run with other learned tensors."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("CKPT*"))
    saved = read_run(run)
    modules = saved.modules(saved.base())
    modules["encoder"].load_adapter_state(saved.tensors["encoder"])
    scramble(modules, **changes)
    learned = {k: modules[k] for k in saved.tensors}
    save_weights(Path(folder) / WEIGHTS, learned, saved.activation)
    return reseal(folder)


def reseal(folder):
    """A run whose files have been changed, with the checksums they have now."""
    path = Path(folder) / RESULT
    result = json.loads(path.read_text())
    result.pop(KEY, None)
    write_result(result, path, sums_of_run)
    return Path(folder)


def unseal(path):
    """A json without checksums, as version 0.1 or a stranger wrote it."""
    content = json.loads(Path(path).read_text())
    content.pop(KEY, None)
    Path(path).write_text(json.dumps(content))
