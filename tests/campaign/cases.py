"""What every part of the campaign returns: cases, counted in one table."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Case:
    """One thing tried: what, how it ended, and whether that is right."""

    kind: str
    name: str
    right: bool
    seen: str = ""
    more: dict = field(default_factory=dict)


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


def write_failures(cases, path):
    """A json of what did not end as it should."""
    failures = [asdict(case) for case in cases if not case.right]
    Path(path).write_text(json.dumps(failures, indent=1), encoding="utf-8")
    return len(failures)


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
