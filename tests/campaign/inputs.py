"""Bad input over all commands: one line, exit code not 0, nothing lost."""

import shutil
from functools import partial
from pathlib import Path

import layouts_brazilian_accents
import layouts_fluent_speech_commands
import layouts_iemocap
import layouts_sample_identification
import layouts_urbansound8k
from layouts import make_esc50, truncated_wav
from layouts_audioset import make_audioset
from layouts_google_speech_commands import make_speech_commands
from running import ROOT, TINY, arguments
from speechbrain_petl.recipe.method_files import base_of
from speechbrain_petl.recipe.yaml_files import load_yaml
from speechbrain_petl.weights.kept_base import BASE

from . import bad_values
from .cases import changed, snapshot
from .forked import run_forked, run_process, sbpetl_command, train_command

SAMPLE = 40  # of so many inputs one is tried as a real process, too
LIMIT = 60  # seconds that an answer may take on a busy machine
LAYOUTS = {  # recipe -> what makes its data; all of its options are walked
    "ESC50": make_esc50,
    "GoogleSpeechCommands": make_speech_commands,
    "UrbanSound8k": layouts_urbansound8k.make_urbansound8k,
    "IEMOCAP": layouts_iemocap.make_iemocap,
    "FluentSpeechCommands": (
        layouts_fluent_speech_commands.make_fluent_speech_commands
    ),
    "BrazilianAccents": layouts_brazilian_accents.make_brazilian_accents,
    "SampleIdentification": (
        layouts_sample_identification.make_sample_identification
    ),
    "AudioSet": make_audioset,
}
OF_ONE = ("seed", "lr", "epochs", "petl", "brain")  # the others: of ESC50 alone


class Place:
    """A folder with data, a finished run and what else commands take."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.given = self.folder / "given"  # nothing may change here
        self._make()

    def _make(self):
        shutil.rmtree(self.given, ignore_errors=True)
        self.given.mkdir()
        data = make_esc50(self.given / "data")
        run = self.given / "results" / "lora" / "run"
        argv = arguments(data, run, "--epochs=1")
        _must(run_forked(train_command(argv)))
        adapter = self.given / "adapter"
        argv = ["share", "save", str(run), str(adapter)]
        _must(run_forked(sbpetl_command(argv)))
        (self.given / "empty").mkdir()
        recipe = self.given / "ESC50"  # reports and sweeps write into it
        shutil.copytree(ROOT / "recipes/ESC50", recipe)
        files = {
            "text": ("text.txt", b"no sound"),
            "broken": ("broken.wav", truncated_wav()[:50]),
            "none.json": ("none.json", b"{}"),
            "list.json": ("list.json", b"[1]"),
            "nowav.json": ("nowav.json", b'{"a": {"label": "b"}}'),
            "lost.json": ("lost.json", b'{"a": {"wav": "/nowhere.wav"}}'),
        }
        self.words = {
            "method": str(recipe / "hparams/lora.yaml"),
            "recipe": str(recipe),
            "data": str(data),
            "run": str(run),
            "results": str(self.given / "results"),
            "adapter": str(adapter),
            "empty": str(self.given / "empty"),
            "manifest": str(run / "save" / "train.json"),
            "file": str(next((data / "audio").glob("*.wav"))),
            "new": str(self.folder / "new" / "one"),
        }
        for word, (name, content) in files.items():
            (self.given / name).write_bytes(content)
            self.words[word] = str(self.given / name)
        self.datasets = {"ESC50": data}
        self.before = snapshot(self.given, ("__pycache__",))

    def fill(self, line):
        """Arguments with the names of this place."""
        filled = []
        for word in line:
            for key, value in self.words.items():
                word = word.replace(f"{{{key}}}", value)
            filled += TINY if word == "{tiny}" else [word]
        return filled

    def refusal(self, program):
        """What is wrong with how a right input ends."""
        ended = run_forked(program, LIMIT)
        self._make()  # it may write there
        return [ended.summary()] if ended.code else []

    def data_of(self, recipe):
        """Its generated data, made once."""
        if recipe not in self.datasets:
            folder = self.folder / "datasets" / recipe
            folder.mkdir(parents=True)
            self.datasets[recipe] = LAYOUTS[recipe](folder)
        return self.datasets[recipe]

    def problems(self, program=None, argv=None):
        """Of one bad input, in a fork or, by its argv, a process."""
        new, work = self.folder / "new", self.folder / "work"
        for folder in (new, work):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        if argv:
            ended = run_process(argv, LIMIT * 3, cwd=work)
        else:
            ended = run_forked(program, LIMIT, cwd=work)
        problems = _problems(ended)
        after = snapshot(self.given, ("__pycache__",))
        lost = changed(self.before, after)
        lost += sorted(set(after) - set(self.before))
        if lost:
            problems.append(f"lost or written: {', '.join(lost[:3])}")
            self._make()
        results = [p.name for p in new.rglob("*") if _counts(p)]
        results += [p.name for p in work.rglob("*") if p.is_file()]
        if results:
            problems.append(f"written: {', '.join(sorted(results)[:3])}")
        return [*problems, ended.summary()] if problems else []


def _counts(path):
    """Whether a file is more than the record of a run that did not begin."""
    written = ("CKPT", "result.json", ".safetensors", ".onnx", ".pt2", ".part")
    counts = any(part in str(path) for part in written)
    return path.is_file() and counts and path.name != BASE


def _problems(ended):
    problems = []
    if ended.code in (-14, -9):
        problems.append("endless")
    elif ended.code == 0:
        problems.append("accepted")
    elif ended.code < 0:
        problems.append("crashed")
    if ended.traceback:
        problems.append("traceback")
    elif ended.code > 0 and len(ended.lines) != 1:
        problems.append(f"{len(ended.lines)} lines on standard error")
    return problems


def _must(ended):
    if ended.code:
        raise RuntimeError(ended.err or ended.out)


def trials(place):
    """(kind, name, program, argv of the real process) of all bad inputs."""
    for recipe in LAYOUTS:
        folder = ROOT / "recipes" / recipe
        method = folder / "hparams" / "lora.yaml"
        known = load_yaml(base_of(method).read_text(), method)
        for key, values in bad_values.RECIPE.items():
            shared = key in _keys("ESC50") and key not in OF_ONE
            if key not in known or (recipe != "ESC50" and shared):
                continue
            for value in values:
                yield _train(place, recipe, [f"--{key}={value}"])
    for key, values in bad_values.RUN_OPTIONS.items():
        for value in values:
            yield _train(place, "ESC50", [f"--{key}={value}"])
    for flag in bad_values.RUN_FLAGS:
        yield _train(place, "ESC50", [flag])
    for line in bad_values.LINES[1:]:
        yield _train(place, "ESC50", line)
    yield from _method_files(place)
    for command, lines in bad_values.SBPETL.items():
        for line in lines:
            yield _sbpetl(place, command, line)


def right(place):
    """The same of what is right: one of each recipe and command."""
    for recipe in LAYOUTS:
        yield _train(place, recipe, [])
    for command, line in bad_values.RIGHT.items():
        yield _sbpetl(place, command, line)


def _sbpetl(place, command, line):
    words = [*([command] if command else []), *place.fill(line)]
    if line[:1] in (["{recipe}"], ["{method}"]):
        words += place.fill(bad_values.REST.get(command, []))
    name = f"sbpetl {' '.join([command, *line])}"
    elsewhere = ["-m", "speechbrain_petl", *words]
    kind = f"sbpetl {command}".strip()
    return kind, name, sbpetl_command(words), elsewhere


def _keys(recipe):
    path = ROOT / "recipes" / recipe / "hparams" / "base.yaml"
    return load_yaml(path.read_text(), path)


def _train(place, recipe, options, method=None):
    folder = ROOT / "recipes" / recipe
    run = place.folder / "new" / "run"
    tiny = [x for x in TINY if x.startswith("--esc10") <= (recipe == "ESC50")]
    argv = [
        str(method or folder / "hparams" / "lora.yaml"),
        f"--data_folder={place.data_of(recipe)}",
        f"--output_folder={run}",
        *tiny,
        "--epochs=1",
        *options,
    ]
    if recipe == "AudioSet":
        argv.insert(3, "--valid_clips=5")
    what = options or [method.name if method else ""]
    name = f"{recipe}/train.py {' '.join(what)}"
    kind = "train.py, ESC50" if recipe == "ESC50" else "train.py, others"
    program = train_command(argv, f"recipes/{recipe}")
    return kind, name, program, [str(folder / "train.py"), *argv]


def _method_files(place):
    folder = place.folder / "hparams"
    folder.mkdir(exist_ok=True)
    base = ROOT / "recipes/ESC50/hparams/base.yaml"
    (folder / "base.yaml").write_bytes(base.read_bytes())
    for name, content in bad_values.METHOD_FILES.items():
        if content is not None:
            content = (
                content if isinstance(content, bytes) else content.encode()
            )
            (folder / name).write_bytes(content)
        kind, _, program, argv = _train(place, "ESC50", [], folder / name)
        yield "method files", name, program, argv


def campaign(folder, journal, every=1):
    """All of them, or every n-th; every 40th as a real process, too."""
    place = Place(folder)
    for kind, name, program, _ in right(place):
        journal.case("what is right", name, partial(place.refusal, program))
    for number, (kind, name, program, argv) in enumerate(trials(place)):
        if number % every:
            continue
        case = journal.case(kind, name, partial(place.problems, program))
        if case.right and number % SAMPLE == 0 and every == 1:
            alone = partial(place.problems, argv=argv)
            journal.case(kind, f"{name} (process)", alone)
