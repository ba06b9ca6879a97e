"""What every part of the campaign returns: cases, counted in one table."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Case:
    """One thing tried: what, how it ended, and whether that is right."""

    kind: str
    name: str
    right: bool
    seen: str = ""


class Journal:
    """The cases so far, each a line of json, so that a campaign can go on.

    What has ended right is not tried again; what has not, is.
    """

    def __init__(self, path=None, show=print):
        self.path, self.show, self.known = path and Path(path), show, {}
        if path and self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                case = Case(**json.loads(line))
                self.known[case.kind, case.name] = case

    def case(self, kind, name, attempt):
        """The case of this name: what it was, or what attempt() returns.

        attempt returns what is wrong, a list of str.
        """
        case = self.known.get((kind, name))
        if case is None or not case.right:
            problems = attempt()
            case = Case(kind, name, not problems, "; ".join(problems))
            self.known[kind, name] = case
            self._write(case)
        return case

    def _write(self, case):
        if not case.right:
            self.show(f"{case.kind}: {case.name}: {case.seen}")
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{json.dumps(asdict(case))}\n")

    @property
    def cases(self):
        """All of them."""
        return list(self.known.values())


def table(cases):
    """Rows kind, tried, right, of all that was tried."""
    kinds = sorted({case.kind for case in cases})
    width = max(map(len, kinds), default=4)
    lines = [f"{'kind':{width}}  tried  right"]
    for kind in [*kinds, None]:
        of_kind = [c for c in cases if kind in (None, c.kind)]
        right = sum(c.right for c in of_kind)
        name = kind or "all"
        lines.append(f"{name:{width}}  {len(of_kind):5}  {right:5}")
    return "\n".join(lines)


def snapshot(folder, ignored=()):
    """Path -> hash of every file below a folder."""
    folder, found = Path(folder), {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not any(part in name for part in ignored):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def changed(before, after):
    """What of the files of a snapshot is lost or other, in words."""
    return [
        f"{name} {'changed' if name in after else 'lost'}"
        for name, digest in before.items()
        if after.get(name) != digest
    ]
