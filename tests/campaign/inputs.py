"""Bad input over all commands: one line, exit code not 0, nothing lost."""

import shutil
from functools import partial
from pathlib import Path

from labelled_sounds import make_labelled_sounds
from layouts import make_esc50, truncated_wav
from layouts_audioset import make_audioset
from layouts_brazilian_accents import make_brazilian_accents
from layouts_fluent_speech_commands import make_fluent_speech_commands
from layouts_google_speech_commands import make_speech_commands
from layouts_iemocap import make_iemocap
from layouts_librispeech import make_librispeech
from layouts_sample_identification import make_sample_identification
from layouts_spoken_digits import make_spoken_digits
from layouts_urbansound8k import make_urbansound8k
from running import ROOT, TINY, arguments
from speechbrain_petl.recipe.command_line import OPTIONS
from speechbrain_petl.recipe.method_files import base_of
from speechbrain_petl.recipe.yaml_files import load_yaml
from speechbrain_petl.weights.kept_base import BASE

from . import bad_values
from .cases import changed, snapshot
from .forked import run_forked, run_process, sbpetl_command, train_command

SAMPLE = 40  # of so many inputs one is tried as a real process, too
LIMIT = 60  # seconds that an answer may take on a busy machine
DATA = {  # recipe -> what makes its data
    "ESC50": make_esc50,
    "GoogleSpeechCommands": make_speech_commands,
    "UrbanSound8k": make_urbansound8k,
    "IEMOCAP": make_iemocap,
    "FluentSpeechCommands": make_fluent_speech_commands,
    "BrazilianAccents": make_brazilian_accents,
    "SampleIdentification": make_sample_identification,
    "SpokenDigits": make_spoken_digits,
    "AudioSet": make_audioset,
    "audio_classification": make_labelled_sounds,
    "LibriSpeech": make_librispeech,
}
WITHOUT_AST = {"LibriSpeech"}
METHODS = (  # (recipe, script, method); each walks its keys that are new
    *(
        (recipe, "train.py", "lora")
        for recipe in DATA
        if recipe not in WITHOUT_AST
    ),
    ("ESC50", "train.py", "whisper/lora"),
    ("ESC50", "train.py", "beats/lora"),
    ("FluentSpeechCommands", "train.py", "wav2vec2/lora"),
    ("FluentSpeechCommands", "train_seq2seq.py", "seq2seq/lora"),
    ("LibriSpeech", "train.py", "whisper/lora"),
    ("LibriSpeech", "train_seq2seq.py", "seq2seq/lora"),
)
ALWAYS = ("seed", "lr", "epochs", "petl", "brain")  # keys that all walk
SMALL = [*TINY, "--encoder_size=[32,2,2]", "--seconds=0.5", "--valid_clips=5"]


class Place:
    """A folder with data, a finished run and what else commands take."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.given = self.folder / "given"  # nothing may change here
        self.datasets = {}
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
        self.datasets["ESC50"] = data
        self.before = snapshot(self.given, ("__pycache__",))

    def fill(self, line):
        """Arguments with the names of this place."""
        filled = []
        for word in line:
            for key, value in self.words.items():
                word = word.replace(f"{{{key}}}", value)
            filled += TINY if word == "{tiny}" else [word]
        return filled

    def _clear(self):
        """Empty folders for what is written, and to work in."""
        folders = self.folder / "new", self.folder / "work"
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        return folders

    def refusal(self, program):
        """What is wrong with how a right input ends."""
        self._clear()
        # a sweep and a search start runs in processes of their own
        ended = run_forked(program, LIMIT * 5, cwd=self.folder / "work")
        self._make()  # it may write there
        return [ended.summary()] if ended.code else []

    def data_of(self, recipe):
        """Its generated data, made once."""
        if recipe not in self.datasets:
            folder = self.folder / "datasets" / recipe
            folder.mkdir(parents=True)
            self.datasets[recipe] = DATA[recipe](folder)
        return self.datasets[recipe]

    def problems(self, program=None, argv=None):
        """Of one bad input, in a fork or, by its argv, a process."""
        new, work = self._clear()
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
    walked = set()
    for recipe, script, method in METHODS:
        known = _keys(recipe, method)
        for key, values in bad_values.RECIPE.items():
            if key in known and (key in ALWAYS or key not in walked):
                for value in values:
                    option = [f"--{key}={value}"]
                    yield _train(place, option, recipe, script, method)
        walked |= known
    for key, values in bad_values.RUN_OPTIONS.items():
        for value in values:
            yield _train(place, [f"--{key}={value}"])
    for flag in bad_values.RUN_FLAGS:
        yield _train(place, [flag])
    for line in bad_values.LINES[1:]:
        yield _train(place, line)
    yield from _method_files(place)
    for command, lines in bad_values.SBPETL.items():
        for line in lines:
            yield _sbpetl(place, command, line)

    place.words["audioset"] = str(place.data_of("AudioSet"))
    for line in bad_values.PACK:
        yield _pack(place, line)


def _pack(place, line):
    words, folder = place.fill(line), ROOT / "recipes" / "AudioSet"
    program = train_command(words, folder, "pack.py")
    name = f"pack.py {' '.join(line)}"
    return "pack.py", name, program, [str(folder / "pack.py"), *words]


def right(place):
    """The same of what is right: one of each recipe and command."""
    for of_recipe in METHODS:
        yield _train(place, [], *of_recipe)
    for command, line in bad_values.RIGHT.items():
        yield _sbpetl(place, command, line)
    place.words["audioset"] = str(place.data_of("AudioSet"))
    yield _pack(place, ["{audioset}", "{new}", "--sets", "eval"])


def _sbpetl(place, command, line):
    words = [*([command] if command else []), *place.fill(line)]
    if line[:1] in (["{recipe}"], ["{method}"]):
        words += place.fill(bad_values.REST.get(command, []))
    name = f"sbpetl {' '.join([command, *line])}"
    elsewhere = ["-m", "speechbrain_petl", *words]
    kind = f"sbpetl {command}".strip()
    return kind, name, sbpetl_command(words), elsewhere


def _folder_of(recipe):
    folders = (ROOT / room / recipe for room in ("recipes", "templates"))
    return next(folder for folder in folders if folder.is_dir())


def _keys(recipe, method):
    path = base_of(_folder_of(recipe) / "hparams" / f"{method}.yaml")
    return set(load_yaml(path.read_text(), path))


def _train(
    place, options, recipe="ESC50", script="train.py", method="lora", file=None
):
    folder = _folder_of(recipe)
    keys = _keys(recipe, method) | set(OPTIONS)
    argv = [
        str(file or folder / "hparams" / f"{method}.yaml"),
        f"--data_folder={place.data_of(recipe)}",
        f"--output_folder={place.folder / 'new' / 'run'}",
        *(x for x in SMALL if x[2:].partition("=")[0] in keys),
        "--epochs=1",
        *options,
    ]
    of_esc50 = (recipe, method) == ("ESC50", "lora")
    kind = f"train.py, {'ESC50' if of_esc50 else 'others'}"
    name = f"{recipe}/{script} {' '.join(options or [file.name if file else method])}"
    program = train_command(argv, folder, script)
    return kind, name, program, [str(folder / script), *argv]


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
        _, _, program, argv = _train(place, [], file=folder / name)
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
