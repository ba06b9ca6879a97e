"""Files from strangers: nothing is executed, nothing is written outside."""

import io
import json
import os
import pickle
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from layouts import make_esc50
from layouts_audioset import make_audioset
from markup import interpreted
from running import ROOT, arguments
from speechbrain_petl.data.archives import fetch_archive
from speechbrain_petl.data.checksums import KEY, SUMS
from speechbrain_petl.data.shards import INDEX, read_index
from speechbrain_petl.recipe.main import run_main

from .damage import OPTIONS
from .forked import run_forked, sbpetl_command, train_command

TRACE = "EXECUTED"  # a file that a payload makes
CALLS = (  # yaml that calls os.system, in the ways that yaml libraries know
    "!!python/object/apply:os.system ['{command}']",
    "!!python/object/new:os.system ['{command}']",
    "!apply:os.system ['{command}']",
    "!new:subprocess.Popen {{args: ['sh', '-c', '{command}']}}",
    "!name:os.system {{}}",
    "!include:{trace}.yaml",
)
WORDS = (  # labels and names that mean something where they are shown
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "a | b | c",
    "# title\n\n---\nlicense: x",
    "$\\frac{$",
    "\\input{/etc/passwd}",
    "`rm -rf` ```",
    "![x](http://x/y.png)",
    "{{ 7*7 }} {% raw %}",
    "\x1b[2J\x1b]0;x\x07",
    "\u202egnp.exe",
)
HARMLESS = "harmless"


class Payload:
    """Unpickled, it runs a command of the shell."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Place:
    """A finished run, an adapter of it and half a run, to be spoilt."""

    def __init__(self, folder, journal):
        self.folder, self.journal = Path(folder), journal
        self.inside = self.folder / "in" / "side"
        self.inside.mkdir(parents=True)
        self.trace = self.folder / TRACE
        self.command = f"touch {self.trace}"
        self.data = make_esc50(self.folder / "data")
        self.clip = str(next((self.data / "audio").glob("*.wav")))
        self.run = self.folder / "given" / "run"
        argv = arguments(self.data, self.run, *OPTIONS)
        self._must(train_command(argv))
        self.adapter = self.folder / "given" / "adapter"
        save = ["share", "save", str(self.run), str(self.adapter)]
        self._must(sbpetl_command(save))

    @staticmethod
    def _must(program):
        ended = run_forked(program)
        if ended.code:
            raise RuntimeError(ended.err or ended.out)

    def copy(self, what):
        """A copy of a folder, to be spoilt, without checksums."""
        folder = self.inside / what.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(what, folder)
        for sums in folder.rglob(SUMS):
            sums.unlink()
        for path in (folder / "result.json", folder / "adapter.json"):
            if path.is_file():
                content = json.loads(path.read_text())
                content.pop(KEY, None)
                path.write_text(json.dumps(content))
        return folder

    def attempt(self, kind, name, program, look=None):
        """Whether anything ran, or was written outside, into the journal."""
        self.journal.case(kind, name, lambda: self._problems(program, look))

    def _problems(self, program, look):
        before = {p for p in self.folder.rglob("*") if self._outside(p)}
        ended = run_forked(program, cwd=self.inside)
        problems = [] if ended.code != -14 else ["endless"]
        if self.trace.exists():
            problems.append("executed")
            self.trace.unlink()
        after = {p for p in self.folder.rglob("*") if self._outside(p)}
        new = after - before
        if new:
            problems.append(f"written outside: {min(new)}")
        if ended.traceback:
            problems.append("traceback")
        if ended.code == 0 and look:
            problems += look()
        return [*problems, ended.summary()] if problems else []

    def _outside(self, path):
        return not path.is_relative_to(self.inside)

    def again(self):
        """The command of the run, in a copy of it."""
        argv = arguments(self.data, self.inside / "run", *OPTIONS)
        return train_command(argv)

    def classify(self, model, *options):
        """The command that classifies a clip."""
        return sbpetl_command(["classify", str(model), self.clip, *options])


def pickles(place):
    """Payloads in the place of tensors."""
    payload = {"x": Payload(place.command), "state_dict": {}}
    run = place.copy(place.run)
    newest = max((run / "save").glob("CKPT+*"))
    for name in sorted(p.name for p in newest.iterdir()):
        run = place.copy(place.run)
        for file in (run / "save").glob(f"CKPT+*/{name}"):
            torch.save(payload, file)
        place.attempt("pickles", f"checkpoint {name}", place.again())
    for suffix in (".pt", ".pth", ".bin", ".safetensors"):
        for how in ("torch", "pickle"):
            file = place.inside / f"weights{suffix}"
            if how == "torch":
                torch.save(payload, file)
            else:
                file.write_bytes(pickle.dumps(payload))
            argv = arguments(
                place.data,
                place.inside / "new",
                "--epochs=1",
                f"--source={file}",
            )
            name = f"source {how} {suffix}"
            place.attempt("pickles", name, train_command(argv))
            program = place.classify(place.run, f"--base={file}")
            place.attempt("pickles", f"base {how} {suffix}", program)
    for source in (place.run, place.adapter):
        spoilt = place.copy(source)
        torch.save(payload, spoilt / "adapter.safetensors")
        name = f"learned part of {source.name}"
        place.attempt("pickles", name, place.classify(spoilt))
    _cache(place)


def _cache(place):
    """An array of objects in the place of cached clips."""
    cache = place.inside / "cache"
    options = ["--cache=features", f"--cache_folder={cache}", "--epochs=1"]
    options += ["--augment=!new:speechbrain_petl.Augment"]
    argv = arguments(place.data, place.inside / "cached", *options)
    place._must(train_command(argv))
    shutil.rmtree(place.inside / "cached")
    for file in cache.glob("*.npy"):
        np.save(file, np.array([Payload(place.command)], dtype=object))
    place.attempt("pickles", "cache", train_command(argv))


def calls(place):
    """Yaml and json that name functions, where they are only read."""
    for call in CALLS:
        text = call.format(command=place.command, trace=place.trace)
        for key in ("encoder", "mean", "new_key"):
            run = place.copy(place.run)
            path = run / "hyperparams.yaml"
            lines = path.read_text().splitlines()
            kept = [x for x in lines if not x.startswith(f"{key}:")]
            path.write_text("\n".join([*kept, f"{key}: {text}", ""]))
            shared = place.inside / "shared"
            report = ["report", str(_recipe(place)), f"--results={run.parent}"]
            for name, program in {
                "classify": place.classify(run),
                "share": sbpetl_command(
                    ["share", "save", str(run), str(shared)]
                ),
                "report": sbpetl_command(report),
                "again": place.again(),
            }.items():
                what = f"{name}: {key}: {call.split()[0]}"
                place.attempt("yaml", what, program)
        run = place.copy(place.run)
        for meta in run.glob("save/CKPT+*/CKPT.yaml"):
            meta.write_text(f"{meta.read_text()}x: {text}\n")
        place.attempt("yaml", f"CKPT.yaml: {call}", place.again())
    for tag in (
        *("!new:os.system", "!new:subprocess.Popen", "!apply:os.system"),
        *("!new:speechbrain_petl.inference.share.push", "!name:builtins.exec"),
        *("!new:torch.nn.Sequential", "!new:speechbrain_petl.errors.os.system"),
    ):
        for key in ("encoder", "fbank", "pooling", "classifier", "petl"):
            folder = place.copy(place.adapter)
            described = json.loads((folder / "adapter.json").read_text())
            described[key] = {tag: [place.command]}
            (folder / "adapter.json").write_text(json.dumps(described))
            name = f"adapter.json {key}: {tag}"
            place.attempt("yaml", name, place.classify(folder))
    for label in (f"__import__('os').system('{place.command}')", "lambda: 1"):
        run = place.copy(place.run)
        (run / "save" / "labels.txt").write_text(f"{label} => 0\n")
        place.attempt("yaml", f"labels.txt {label}", place.classify(run))


def _recipe(place):
    folder = place.inside / "ESC50"
    if not folder.exists():
        shutil.copytree(ROOT / "recipes/ESC50", folder)
    return folder


def archives(place):
    """Members that want to be elsewhere."""
    names = ("../out.txt", "../../out.txt", f"{place.folder}/out.txt")
    names += ("a/../../out.txt", "..\\out.txt", "ok/fine.txt")
    for name in names:
        for suffix in (".tar", ".tar.gz", ".zip"):
            made = place.inside / f"archive{suffix}"
            _write(made, name)
            place.attempt("archives", f"{suffix} {name}", _unpack(place, made))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        for target in ("../..", str(place.folder), "/etc"):
            made = place.inside / "links.tar"
            _write_link(made, kind, target)
            name = f"link {kind} {target}"
            place.attempt("archives", name, _unpack(place, made))
    special = place.inside / "special.tar"
    with tarfile.open(special, "w") as tar:
        for number, kind in enumerate((tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            member = tarfile.TarInfo(f"device{number}")
            member.type = kind
            tar.addfile(member)
    place.attempt("archives", "devices", _unpack(place, special))


def _unpack(place, made):
    def program():
        target = place.inside / "deep" / "unpacked"
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        run_main(lambda argv: fetch_archive(str(made), str(target)))

    return program


def _write(path, name):
    content = b"outside"
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, content)
        return
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), stat.S_IRWXU
        tar.addfile(member, io.BytesIO(content))


def _write_link(path, kind, target):
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = kind, target
        tar.addfile(link)
        member = tarfile.TarInfo("link/out.txt")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"hi"))


def words(place):
    """Labels and names that reach a model card and a report."""
    for program in (_card, _report_of("method"), _report_of("dataset")):
        kind, run, document = program(place, HARMLESS)
        place._must(run)
        harmless = document.read_text()
        for word in WORDS:
            kind, run, document = program(place, word)

            def look(word=word, document=document, harmless=harmless):
                text = document.read_text()
                return interpreted(word, text, HARMLESS, harmless)

            place.attempt("words", f"{kind} {word!r}", run, look)


def _card(place, word):
    """A label that is a word, and the model card of its run."""
    run, shared = place.copy(place.run), place.inside / "shared"
    labels = run / "save" / "labels.txt"
    labels.write_text(labels.read_text().replace("'dog'", repr(word), 1))
    shutil.rmtree(shared, ignore_errors=True)
    program = sbpetl_command(["share", "save", str(run), str(shared)])
    return "label", program, shared / "README.md"


def _report_of(key):
    """A result that says a word there, and the report of it."""

    def _report(place, word):
        _another(place)
        run, recipe = place.copy(place.run), _recipe(place)
        result = json.loads((run / "result.json").read_text())
        (run / "result.json").write_text(json.dumps({**result, key: word}))
        argv = ["report", str(recipe), f"--results={run.parent}"]
        return key, sbpetl_command(argv), recipe / "README.md"

    return _report


def _another(place):
    """A run of other settings beside it, so that notes compare the two."""
    folder = place.inside / "another"
    if folder.exists():
        return
    place.copy(place.run).rename(folder)
    path = folder / "hyperparams.yaml"
    text = path.read_text()
    path.write_text(text.replace("epochs: 2\n", "epochs: 3\n"))
    result = json.loads((folder / "result.json").read_text())
    result["method"] = "another"
    (folder / "result.json").write_text(json.dumps(result))


def indices(place):
    """An index of shards that names files elsewhere."""
    outside = make_audioset(place.folder / "audioset")
    shutil.make_archive(str(place.folder / "secret"), "tar", outside)
    for name in (
        "../../secret.tar",
        f"{place.folder}/secret.tar",
        "a/../../../x",
    ):
        index = {"shards": {name: 3}, "labels": {}}
        (place.inside / INDEX).write_text(json.dumps(index))

        def read():
            run_main(lambda argv: read_index(str(place.inside)))

        place.attempt("indices", name, read, lambda: ["accepted"])


PARTS = (pickles, calls, archives, words, indices)


def campaign(folder, journal, parts=PARTS):
    """All of them."""
    place = Place(folder, journal)
    for part in parts:
        part(place)
