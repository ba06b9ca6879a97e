"""Every base.yaml and method file of the repository loads and exports."""

import re

import pytest
from hyperpyyaml import load_hyperpyyaml, resolve_references
from method_files import ROOT
from ruamel.yaml import YAML
from speechbrain_petl import InputError
from speechbrain_petl.recipe.command_line import OPTIONS
from speechbrain_petl.recipe.method_files import BASE, base_of, export, main
from speechbrain_petl.recipe.parsing import parse_recipe
from speechbrain_petl.recipe.yaml_text import header_of

FOLDERS = sorted(
    path
    for place in ("recipes", "templates")
    for path in (ROOT / place).glob("*/hparams/")
)
BASES = sorted(path for folder in FOLDERS for path in folder.rglob(BASE))
OF_A_RECIPE = {  # keys that all have, each with its own value
    *("data_folder", "prepare", "output_folder", "result", "source"),
    *("encoder", "fbank", "wave_augment", "augment", "pooling"),
    *("epochs", "batch_size", "loader", "brain", "modules"),
    "num_workers",  # AudioSet's shards are dealt among them
    *("loss", "average", "balance"),
}
EVERY_DAY = (
    "ESC50",
    "lora",
)  # the recipe, and the method of others: all else is slow


def path_id(path):
    """ESC50/hparams/lora.yaml"""
    return "/".join(path.relative_to(ROOT).parts[1:])


def methods():
    """All method files; most of those that repeat ESC-50's are slow."""
    for path in sorted(p for folder in FOLDERS for p in folder.rglob("*.yaml")):
        if path.name == BASE:
            continue
        own = path.parent == ROOT / "recipes" / EVERY_DAY[0] / "hparams"
        daily = own or path.stem == EVERY_DAY[1]
        marks = () if daily else pytest.mark.slow
        yield pytest.param(path, id=path_id(path), marks=marks)


METHODS = list(methods())


def plain(text):
    """A yaml document as nested (tag, value), without its comments."""

    def visit(node):
        if hasattr(node, "value") and not hasattr(node, "items"):
            children = node.value
        elif hasattr(node, "items"):
            children = {key: visit(value) for key, value in node.items()}
        elif isinstance(node, list):
            children = [visit(value) for value in node]
        else:
            children = node
        tag = getattr(node, "tag", None)
        return getattr(tag, "value", None), children

    return visit(YAML().load(text))


def test_there_are_recipes():
    names = {folder.parent.name for folder in FOLDERS}
    assert {"ESC50", "audio_classification"} <= names


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.parent.name)
def test_no_key_is_taken_for_a_run_option(folder):
    """argparse takes every beginning of an option for the option."""
    for path in folder.rglob("*.yaml"):
        for key in YAML().load(path.read_text()) or ():
            longer = [o for o in OPTIONS if o.startswith(key)]
            assert not longer or key == "ckpt_interval_minutes", (path, key)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_file_loads_and_exports(method, tmp_path):
    """The exported file is base and method in one, and loads by itself."""
    tree = YAML().load(base_of(method).read_text())
    options = {"output_folder": str(tmp_path), "method": method.stem}
    for key in {"ast_size", "encoder_size"} & set(tree):
        options[key] = [32, 2, 2]
    if "source" in tree:
        options["source"] = None
    for key, value in tree.items():
        if getattr(getattr(value, "tag", None), "value", "") == "!PLACEHOLDER":
            options.setdefault(key, str(tmp_path))
    del options["method"]  # the file says it
    words = [f"--{k}={'null' if v is None else v}" for k, v in options.items()]
    base, _, overrides = parse_recipe([str(method), *words])
    with open(base, encoding="utf-8") as file:
        two = resolve_references(file, overrides).getvalue()
    flat = export(method, options)
    assert plain(resolve_references(flat).getvalue()) == plain(two)
    loaded = load_hyperpyyaml(flat)
    assert loaded["method"] == method.stem
    assert set(loaded["petl"]) <= {"wrap", "train"}


def test_an_exported_file_needs_no_other(folder):
    """It is read as it is, and takes the command line's overrides."""
    (folder / "a" / "b").mkdir(parents=True)
    flat = folder / "a" / "b" / "lora.yaml"
    flat.write_text(export(folder / "lora.yaml"))
    path, _, overrides = parse_recipe([str(flat), "--data_folder=d"])
    assert path == str(flat) and overrides == "data_folder: d"
    assert export(flat) == export(folder / "lora.yaml")


def blocks(path):
    """Top-level key -> its lines in a base.yaml, without comments."""
    found, key = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split(" #")[0].rstrip()
        if line and line[0] not in " #":
            key = line.partition(":")[0]
            found[key] = [line]
        elif line and key and line[0] == " ":
            found[key].append(line)
    return found


def test_what_all_bases_share_is_equal():
    """They are read from top to bottom and go upstream flat: no inheritance."""
    # hparams/original has the optimizer and the schedule of somebody else
    ours = [path for path in BASES if path.parent.name != "original"]
    every = [blocks(path) for path in ours]
    shared = set.intersection(*(set(b) for b in every)) - OF_A_RECIPE
    assert {"seed", "opt_class", "checkpointer", "train_logger"} <= shared
    for key in shared:
        assert len({"\n".join(b[key]) for b in every}) == 1, key


@pytest.mark.parametrize("path", BASES, ids=path_id)
def test_every_key_is_used(path):
    """In the text of train.py, or later in the same file: upstream's check."""
    script = "train_seq2seq.py" if "seq2seq" in path.parts else "train.py"
    parents = [p for p in path.parents if (p / script).is_file()]
    code = (parents[0] / script).read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    for key in YAML().load(text):
        later = text[re.search(rf"^{key}:", text, re.M).end() :]
        used = f'hparams["{key}"]' in code or f"self.hparams.{key}" in code
        assert used or f"<{key}" in later or key in OPTIONS or key[:2] == "__"


def comments_of(text):
    """All comments, in their order."""
    return re.findall(r"(?<!\S)#.*", text)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_written_stays(method):
    """Header and comments of both files, null, and what is not overridden."""
    path = method.parent / BASE
    base = (path if path.is_file() else path.parents[1] / BASE).read_text()
    text, own = export(method), method.read_text()
    assert text.startswith(header_of(own))
    assert "beside this one" not in text and "* the speechbrain_petl" in text
    overridden, kept, key = set(YAML().load(own)), [], ""
    for line in base[len(header_of(base)) :].splitlines():
        key = key if line[:1] in ("", " ", "#") else line.partition(":")[0]
        if key not in overridden:
            kept.append(line)
    written = text[len(header_of(text)) :].splitlines()
    for line in filter(None, kept):
        assert line in written
    # comments of overridden keys stay, too, if the method has none of its own
    own_comments = comments_of(own[len(header_of(own)) :])
    found = [
        c for c in comments_of("\n".join(written)) if c not in own_comments
    ]
    of_base = comments_of("\n".join(kept))
    assert [c for c in found if c in of_base] == of_base


COMMENTED = """\
# For all: everything the methods share. Run one of the files beside this one.
#
# Authors

seed: 1 # of all
shots: null # of each class
petl: # the method
    wrap: {} # glob: wrapper
    train: [] # globs

# The end
output_folder: !ref results/<seed>
"""
METHOD = """\
# A method (a paper)
seed: 2
petl:
    wrap: # only here
        "*": !name:torch.nn.Identity
    train: ["*"] # all
"""
FLAT = """\
# A method (a paper)
# For all
#
# Authors

seed: 2 # of all
shots: null # of each class
petl: # the method
    wrap: # only here
        "*": !name:torch.nn.Identity
    train: ["*"] # all

# The end
output_folder: !ref results/<seed>
"""


def test_comments_of_the_method_win(tmp_path):
    (tmp_path / BASE).write_text(COMMENTED)
    (tmp_path / "one.yaml").write_text(METHOD)
    assert export(tmp_path / "one.yaml") == FLAT


def test_a_whole_folder(tmp_path, capsys):
    """Its files run by themselves; nothing is overwritten."""
    recipe, folder = ROOT / "recipes" / "ESC50", tmp_path / "flat"
    argv = [str(recipe), "--methods=linear,lora", f"--into={folder}"]
    main(argv)
    files = {str(p.relative_to(folder)) for p in folder.rglob("*.*")}
    flat = {"hparams/linear.yaml", "hparams/lora.yaml"}
    assert files == flat | {"README.md", "prepare.py", "train.py"}
    lora = (folder / "hparams" / "lora.yaml").read_text()
    assert lora == export(recipe / "hparams" / "lora.yaml")
    assert len(capsys.readouterr().out.splitlines()) == 2
    with pytest.raises(InputError, match="is there already"):
        main(argv)
    with pytest.raises(InputError, match="no method file .*Did you mean lora"):
        main([str(recipe), "--methods=lore", f"--into={tmp_path / 'other'}"])
    with pytest.raises(InputError, match="add --into"):
        main([str(recipe)])
    assert not list(tmp_path.glob("other*"))
