"""The functions of ours that one batch passes on its way from wav to loss.

> python tests/helpers/trace_batch.py  # writes the list into docs/one_batch.md
"""

import sys
import tempfile
from pathlib import Path
from unittest import mock

from running import ROOT, arguments, load_train
from speechbrain_petl import PETLBrain

from speechbrain import Stage

PAGE = ROOT / "docs" / "one_batch.md"
MARKS = "<!-- trace -->\n", "<!-- /trace -->"
OURS = tuple(f"{ROOT}/{folder}/" for folder in ("speechbrain_petl", "recipes"))


class Tracer:
    """Notes each function of ours that is entered inside its ``with``.

    A function is a piece of code: blocks that share a method share it here.
    A lambda or comprehension is part of the function that holds it.
    """

    def __init__(self):
        self.found = []

    def __enter__(self):
        sys.setprofile(self._note)

    def __exit__(self, *error):
        sys.setprofile(None)

    def _note(self, frame, event, argument):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(OURS):
            return
        name = code.co_qualname.removesuffix(".<lambda>")
        where = str(Path(code.co_filename).relative_to(ROOT)), name
        if where not in self.found and not name.endswith(">"):
            self.found.append(where)


def trace(data, output):
    """(file, function) in order, of LoRA on ESC-50 with an AST.

    From the reading of the clips to the loss, for the second batch: the first
    one sets things up.
    """
    tracer, loaders, batches = Tracer(), [], []
    fit, fit_batch = PETLBrain.fit, PETLBrain.fit_batch

    def noted(brain, counter, loader, *rest, **options):
        loaders.append(loader)
        return fit(brain, counter, loader, *rest, **options)

    def traced(brain, batch):
        batches.append(batch)
        if len(batches) == 2:
            (loader,) = loaders
            with tracer:
                clips = [loader.dataset[i] for i in range(2)]
                batch = loader.collate_fn(clips)
                predictions = brain.compute_forward(batch, Stage.TRAIN)
                brain.compute_objectives(predictions, batch, Stage.TRAIN)
        return fit_batch(brain, batch)

    with mock.patch.multiple(PETLBrain, fit=noted, fit_batch=traced):
        load_train().main(arguments(data, output, "--epochs=1"))
    return tracer.found


def as_table(found):
    """The list as it stands in the documents."""
    lines = ["| file | functions |", "|---|---|"]
    for file in dict.fromkeys(file for file, _ in found):
        names = [f"`{name}`" for where, name in found if where == file]
        lines.append(f"| `{file}` | {', '.join(names)} |")
    return "\n".join(["", *lines, ""])


def with_table(page, found):
    """The page with the list between its marks."""
    before, rest = page.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    return f"{before}{MARKS[0]}{as_table(found)}\n{MARKS[1]}{after}"


if __name__ == "__main__":
    from layouts import make_esc50

    with tempfile.TemporaryDirectory() as folder:
        data = make_esc50(Path(folder), odd=False)
        found = trace(data, Path(folder) / "run")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), found))
    print(f"{len({file for file, _ in found})} files, {len(found)} functions")
