"""Every method file of the repository, and what is known of its method."""

import pydoc
import re
from functools import lru_cache
from pathlib import Path

from hyperpyyaml import load_hyperpyyaml
from speechbrain_petl.lobes.vit_families import FAMILIES
from speechbrain_petl.recipe.method_files import BASE, base_of

ROOT = Path(__file__).resolve().parents[2]
# methods that are not meant to start as the pretrained function
MOVED_AT_START = {
    "prefix",
    "prefix_bottleneck",
    "prompt_bitfit",
    "prompt_deep",
    "prompt_shallow",
    "weighted_layers",
    "gated_probe",
}
GRIDS = {  # rows of patches and class tokens, where patches are listed by time
    **{n: (kind.rows, kind.class_tokens) for n, kind in FAMILIES.items()},
    "beats": (8, 0),
}
OF_THE_POOLING = "\npetl:\n    train: []\n"  # of a method whose pooling learns
# class of an encoder -> what its sites are called after
ENCODERS = {
    **{"AST": "ast", "Whisper": "whisper", "ViT": "vit"},
    **{"Wav2Vec2": "speech", "BEATs": "speech"},  # torchaudio's
}


@lru_cache
def method_files():
    """All method files, as paths relative to the repository."""
    found = [
        path.relative_to(ROOT)
        for folder in ("recipes", "templates")
        for path in (ROOT / folder).glob("*/hparams/**/*.yaml")
        if path.name != BASE
    ]
    return sorted(found)


def petl_of(path, encoder=None):
    """The arguments of AdaptedEncoder that a method file gives, made anew.

    Where it asks its encoder for the grid, the name of another one may be given.
    """
    rows, class_tokens = GRIDS.get(encoder or path.parent.name, (None, None))
    grid = f"{{rows: {rows}, class_tokens: {class_tokens}}}"
    text = f"{petl_text(path)}\nencoder: !new:types.SimpleNamespace {grid}\n"
    return {"wrap": {}, **load_hyperpyyaml(text)["petl"]}


def pooling_of(path, encoder):
    """The pooling that a method file names in its own place; None if none."""
    text = (ROOT / path).read_text(encoding="utf-8")
    found = re.search(r"\npooling: !new:(\S+) \[!ref <encoder>(.*)]", text)
    if not found:
        return None
    numbers = [int(word) for word in found[2].split(",")[1:]]
    return pydoc.locate(found[1])(encoder, *numbers)


def petl_text(path):
    """A method file from its wrappers on: what tells methods apart."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return text[text.index("\npetl:") :]


@lru_cache
def encoder_of(path):
    """A value of ENCODERS, by the base.yaml of the file."""
    text = base_of(ROOT / path).read_text(encoding="utf-8")
    return ENCODERS[
        re.search(r"\nencoder: !new:speechbrain_petl\.(\w+)", text)[1]
    ]


@lru_cache
def distinct_methods(encoder="ast", besides=None):
    """Name -> method file, one for each method that another has not."""
    seen, methods = set(), {}
    if besides:
        seen = {petl_text(path) for path in distinct_methods(besides).values()}
    for path in method_files():
        if encoder_of(path) != encoder:
            continue
        petl = petl_text(path)
        if petl not in seen and petl != OF_THE_POOLING:
            seen.add(petl)
            name = path.stem
            if name in methods:
                name = f"{name} of {path.parts[1]}"
            methods[name] = path
    return methods
