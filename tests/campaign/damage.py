"""Every file of a run, an adapter and a cache, damaged in five ways.

What comes next names the damaged file in one line, or ends with what it ends
with where nothing is damaged.
"""

import os
import random
import re
import shutil
from functools import partial
from pathlib import Path

from layouts import make_esc50
from running import ROOT, arguments

from .forked import run_forked, sbpetl_command, train_command
from .kills import die_at_operation
from .outcomes import differences, outcome

OPTIONS = ["--ckpt_interval_steps=2", "--epochs=2"]


def _flip(path):
    content = bytearray(path.read_bytes())
    rng = random.Random(path.name)
    for _ in range(max(1, len(content) // 200)):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(7)
    path.write_bytes(content)


def _replace(path):
    others = [p for p in path.parent.iterdir() if p.is_file() and p != path]
    same = [p for p in others if p.suffix == path.suffix] or others
    other = sorted(same)[0].read_bytes() if same else b"{}"
    path.write_bytes(other)


WAYS = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "flipped": _flip,
    "replaced": _replace,
    "missing": lambda path: path.unlink(),
}


class Scene:
    """A folder that can be had again as it was, and commands on it."""

    def __init__(self, folder, subject, commands):
        self.folder, self.subject, self.commands = folder, subject, commands
        self.kept = Path(f"{folder}.kept")
        if self.kept.exists():
            shutil.rmtree(self.kept)
        shutil.copytree(folder, self.kept)
        self.want = {}
        for name, (program, seen) in commands.items():
            ended = run_forked(program)
            if ended.code:
                raise RuntimeError(f"{name}: {ended.err or ended.out}")
            self.want[name] = seen(ended)
            self.restore()

    def restore(self):
        """The folder as it was."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder)

    def files(self):
        """The names of all files that may be damaged."""
        return sorted(
            str(path.relative_to(self.kept))
            for path in self.kept.rglob("*")
            if path.is_file() and path.suffix != ".lock"
        )

    def damage(self, journal, ways, only):
        """Each file, damaged in each way, and each command after it."""
        for name in filter(only, self.files()):
            for way in ways:
                for command in self.commands:
                    journal.case(
                        f"{self.subject}, {command}",
                        f"{self.stable(name)} {way}",
                        partial(self._problems, command, name, way),
                    )

    def stable(self, name):
        """The name of a file, in which no time stands."""
        stamps = sorted({*re.findall(r"CKPT\+[\d+-]+", str(self.files()))})
        for number, stamp in enumerate(stamps):
            name = name.replace(f"{stamp}/", f"CKPT+{number}/")
        return name

    def _problems(self, command, name, way):
        program, seen = self.commands[command]
        WAYS[way](self.folder / name)
        try:
            ended = run_forked(program)
            found = None if ended.code else seen(ended)
        finally:
            self.restore()
        if ended.traceback:
            return ["traceback", ended.summary()]
        if ended.code:
            lines = ended.lines
            named = len(lines) == 1 and _names(lines[0], name)
            what = f"{len(lines)} lines, or not named"
            return [] if named else [what, ended.summary()]
        other = differences(self.want[command], found)
        said = f"{ended.out}{ended.err}{found.get('README', '')}"
        silent = other and not _names(said, name)
        return [f"silently other {', '.join(other)}"] if silent else []


def _names(line, name):
    """Whether a message names a file, or the folder of its checkpoint."""
    path = Path(name)
    whole = path.parent.name if "CKPT" in path.parent.name else path.name
    return path.name in line or whole in line


def _taken(file):
    """What was written: the next command finds none of it."""
    text = file.read_text()
    file.unlink()
    return text


def scenes(folder):
    """A finished and an unfinished run, an adapter folder and a cache."""
    folder = Path(folder)
    data = make_esc50(folder / "data")
    clips = sorted((data / "audio").glob("*.wav"))[:3]
    csv = folder / "said.csv"

    def classify(model):
        argv = ["classify", str(model), *map(str, clips), f"--csv={csv}"]
        return sbpetl_command(argv), lambda e: {"csv": _taken(csv)}

    run = folder / "results" / "lora" / "run"
    again = train_command(arguments(data, run, *OPTIONS))
    _must(run_forked(again))
    recipe = folder / "ESC50"  # a report writes into its README.md
    shutil.copytree(ROOT / "recipes" / "ESC50", recipe)
    report = ["report", str(recipe), f"--results={run.parents[1]}"]
    shared = folder / "shared"
    yield Scene(
        run,
        "finished run",
        {
            "again": (again, lambda e: outcome(run)),
            "classify": classify(run),
            "share": (
                sbpetl_command(["share", "save", str(run), str(shared)]),
                lambda e: _contents(shared),
            ),
            "report": (
                sbpetl_command(report),
                lambda e: _tables(recipe / "README.md"),
            ),
        },
    )
    adapter = folder / "adapter"
    _must(run_forked(sbpetl_command(["share", "save", str(run), str(adapter)])))
    yield Scene(adapter, "adapter", {"classify": classify(adapter)})
    half = folder / "half"
    go_on = train_command(arguments(data, half, *OPTIONS))
    run_forked(go_on, before=die_at_operation(150, half, 0))
    yield Scene(
        half, "unfinished run", {"again": (go_on, lambda e: outcome(half))}
    )
    cache, cached = folder / "cache", folder / "cached"
    argv = arguments(
        data,
        cached,
        "--cache=frozen",
        "--augment=!new:speechbrain_petl.Augment",  # else nothing is frozen
        f"--cache_folder={cache}",
        method="linear",
    )
    _must(run_forked(train_command(argv)))
    shutil.rmtree(cached)

    def seen(ended):
        found = outcome(cached)
        shutil.rmtree(cached)
        return found

    yield Scene(cache, "cache", {"new run": (train_command(argv), seen)})


def _must(ended):
    if ended.code:
        raise RuntimeError(ended.err or ended.out)


def _contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def _tables(readme):
    """What a report writes."""
    return {"README": readme.read_text()}


def campaign(folder, journal, ways=tuple(WAYS), only=None):
    """Each file that is wanted, or all, of all scenes."""
    for scene in scenes(folder):
        scene.damage(journal, ways, only)
