"""An adapter to give away: from a finished run to a folder, and to the hub."""

import copy
import json
import shutil
from pathlib import Path

import huggingface_hub

from speechbrain.utils.logger import get_logger

from ..data.checksums import sealed
from ..data.writing import make_folder
from ..errors import InputError
from ..recipe.settings import HYPERPARAMS
from ..training.results import RESULT, read_result
from ..weights.adapter_files import FORMAT, WEIGHTS, digest_of, read_weights
from ..weights.kept_base import BASE
from ..weights.sources import WEIGHT_FILES, looks_like_path
from .classifier import AudioClassifier
from .model_card import model_card
from .reading import DESCRIPTION, KEPT, read_run
from .stock import PYTHON, WHOLE, write_stock
from .stock_yaml import placed

logger = get_logger(__name__)

README = "README.md"
FILES = (DESCRIPTION, WEIGHTS, README)
STOCK_FILES = (HYPERPARAMS, *WHOLE)  # what stock SpeechBrain opens


def save_adapter(source, folder, name=None, base=None, trust=False, whole=True):
    """Write an adapter folder and see that it loads.

    Arguments
    ---------
    source : str or os.PathLike
        The output_folder of a finished run.
    folder : str or os.PathLike
        Where to write.
    name : str, optional
        The repository that it will be in, for the model card.
    base : str, optional
        Where the pretrained weights are, if they have been moved.
    trust : bool
        Build classes of any package that the run's yaml names.
    whole : bool
        Write what stock SpeechBrain opens, the size of the whole model.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    if name:
        _check_name(name)
    saved = read_run(source, trust)
    result = read_result(Path(source).expanduser() / RESULT)
    local, kept = base or saved.description["source"], saved.base_file
    keeps = bool(kept and kept.is_file())
    if kept and not keeps:
        logger.warning(
            f"{kept} is missing: the adapter will load where torch draws the "
            "same random weights"
        )
    encoder = saved.base(local)  # what is wrong is said before it is written
    AudioClassifier.of(saved, copy.deepcopy(encoder))
    folder = new_folder(folder, kept)
    weights = (Path(source).expanduser() / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights)
    write_adapter(saved, folder)
    alone = write_stock(saved, folder, local) if whole else None
    card = model_card(saved, result, name or folder.name, len(weights), alone)
    (folder / README).write_text(card, encoding="utf-8")
    AudioClassifier.from_hparams(folder, base=encoder, trust=trust)
    return folder


def write_adapter(saved, folder):
    """Write the description, and the base that nobody else has.

    Arguments
    ---------
    saved : speechbrain_petl.inference.saved.Saved
        Whose learned tensors are in the folder; its description becomes the
        one that is written.
    folder : pathlib.Path
        Of the adapter.
    """
    kept = saved.base_file
    keeps = bool(kept and Path(kept).is_file())
    saved.description = sealed(
        {"format": FORMAT, **_public(saved.description), KEPT: keeps},
        DESCRIPTION,
        **{WEIGHTS: digest_of(saved.tensors, saved.metadata)},
    )
    (folder / DESCRIPTION).write_text(
        json.dumps(saved.description, indent=1), encoding="utf-8"
    )
    if keeps and Path(kept).resolve() != (folder / BASE).resolve():
        shutil.copyfile(kept, folder / BASE)


def new_folder(folder, kept=None):
    """Make the folder of an adapter; nothing but an adapter is written over.

    Arguments
    ---------
    folder : str or os.PathLike
        A new one, or that of an adapter, whose stock files and base go: they
        are none of the next one's.
    kept : str or os.PathLike, optional
        The base of the next one, which stays if it lies there.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    folder = Path(folder).expanduser()
    if folder.is_file():
        raise InputError(f"{folder} is a file: name a folder")
    make_folder(folder)
    there = sorted(p.name for p in folder.iterdir() if p.name[0] != ".")
    if there and DESCRIPTION not in there:
        raise InputError(
            f"{folder} holds {', '.join(there[:3])} and no {DESCRIPTION}: name "
            "a new folder, or that of an adapter"
        )
    if there and _is_adapter(folder):
        old = [folder / name for name in (*STOCK_FILES, BASE)]
        for path in (*old, *folder.glob(PYTHON)):
            if not kept or path.resolve() != Path(kept).resolve():
                path.unlink(missing_ok=True)
    return folder


def _is_adapter(folder):
    """Whether its description is one of this package's."""
    try:
        text = (folder / DESCRIPTION).read_text(encoding="utf-8")
        return json.loads(text)["format"] == FORMAT
    except (OSError, ValueError, LookupError, TypeError):
        return False


def push(folder, repository, private=False):
    """Upload an adapter folder to the Hugging Face hub.

    What an older adapter left in the repository is replaced; other files stay.

    Arguments
    ---------
    folder : str or os.PathLike
        As ``save_adapter`` wrote it.
    repository : str
        NAME/REPOSITORY; made if need be.
    private : bool
        Whether a new one is only for its owner.

    Returns
    -------
    str
        Its address.
    """
    folder = Path(folder).expanduser()
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} holds no {' and no '.join(missing)}: write it with "
            "sbpetl share save RUN FOLDER"
        )
    read_weights(folder / WEIGHTS)
    api = huggingface_hub.HfApi()
    try:
        url = api.create_repo(repository, private=private, exist_ok=True)
        older = api.file_exists(repository, DESCRIPTION)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            # whatever else lies there
            allow_patterns=[*FILES, BASE, *WHOLE, PYTHON],
            # an adapter's files that this one has not
            delete_patterns=[*STOCK_FILES, BASE, PYTHON] if older else None,
            commit_message="An adapter of speechbrain_petl",
        )
        stock = folder / HYPERPARAMS
        if stock.is_file():  # which says where its python file is
            text = placed(stock.read_text(encoding="utf-8"), repository)
            api.upload_file(
                repo_id=repository,
                path_or_fileobj=text.encode(),
                path_in_repo=HYPERPARAMS,
            )
    # each version of the hub's client has its own network errors
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"{folder} could not be uploaded to {repository}: "
            f"{type(error).__name__}: {reason.rstrip('.')}. `hf auth login` "
            "asks for the token of an account that may write there."
        ) from error
    return str(url)


def _check_name(name):
    try:
        huggingface_hub.utils.validate_repo_id(name)
    except huggingface_hub.errors.HFValidationError as error:
        raise InputError(f"--name={name}: {error}")


def _public(description):
    """Without the paths of this machine; a repository with its revision."""
    source = description["source"]
    revision = None
    local = source and Path(source).expanduser().exists()
    if source and (local or looks_like_path(source)):
        source = f"./{Path(source).name}"
    elif source and "/" in source:
        cached = (
            huggingface_hub.try_to_load_from_cache(source, name)
            for name in WEIGHT_FILES
        )
        # .../snapshots/<revision>/<file>
        found = (Path(f).parent.name for f in cached if isinstance(f, str))
        revision = next(found, None)
    public = _with_names({**description, "source": source})
    return {**public, "revision": revision}


def _with_names(tree):
    """Runs whose adapters are fused, which the adapter holds, by their names."""
    if isinstance(tree, list):
        return [_with_names(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        key: [Path(run).name for run in value]
        if key == "runs" and isinstance(value, list)
        else _with_names(value)
        for key, value in tree.items()
    }
