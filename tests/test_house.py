"""The order of the house: rooms, the way imports point, sizes."""

from pathlib import Path

from source_tree import functions, imports, room_of, sources

# room -> the rooms that it stands on; it may import these and what is below
STANDS_ON = {
    "errors": [],
    "compat": [],
    "adapters": ["errors", "compat"],
    "data": ["errors", "compat"],
    "lobes": ["adapters", "data"],
    "recipe": ["adapters", "data"],
    "weights": ["lobes"],
    "training": ["recipe", "weights"],
    "inference": ["training"],
    "experiments": ["inference"],
}
AT_THE_TOP = {"errors.py", "compat.py", "__init__.py", "__main__.py"}
NO_ROOM = {Path(name).stem for name in AT_THE_TOP}
FILE_LINES = 250
FUNCTION_LINES = 40  # without its docstring
SHORTENED_NOW = "is being taken apart"
LONG_FILES = dict.fromkeys(  # file -> why it is longer
    [],
    SHORTENED_NOW,
)
LONG_FUNCTIONS = dict.fromkeys(  # "file function" -> why it is longer
    [],
    SHORTENED_NOW,
)


def below(room):
    """The rooms that a room may import."""
    direct = STANDS_ON[room]
    return {*direct, *(name for other in direct for name in below(other))}


def test_imports_point_one_way():
    """Also those inside functions, and relative ones."""
    wrong = {
        (str(path), room)
        for path, room in imports()
        if room_of(path) in STANDS_ON
        and room not in {room_of(path), *below(room_of(path))}
    }
    assert not wrong


def test_these_rooms_and_no_others():
    found = {path.parts[0] for path in sources()}
    assert found - AT_THE_TOP == set(STANDS_ON) - NO_ROOM


def too_long(found, limit, reasons):
    """What is over the limit without a reason."""
    return {name for name, lines in found if lines > limit} - set(reasons)


def test_files_are_short():
    found = [
        (str(path), len(text.splitlines())) for path, text in sources().items()
    ]
    assert not too_long(found, FILE_LINES, LONG_FILES)


def test_functions_are_short():
    found = [(f"{path} {name}", lines) for path, name, lines in functions()]
    assert not too_long(found, FUNCTION_LINES, LONG_FUNCTIONS)
