"""The settings of a run, stored in its folder: it goes on with these only.

Those of SpeechBrain's run options that change the result are settings, too.
"""

import hashlib
import json
from pathlib import Path

from hyperpyyaml import resolve_references

from speechbrain.utils.logger import get_logger

from ..data.checksums import sha256_of
from ..errors import InputError
from .command_line import OPTIONS
from .comparing import UNSUMMED, changed_keys, plain_settings, without
from .yaml_files import dump_yaml, load_yaml, plain_tree, read_yaml

logger = get_logger(__name__)

HYPERPARAMS = "hyperparams.yaml"  # as SpeechBrain names it
GENERATED = "# Generated "  # how it begins, as SpeechBrain has it
LABELS = "labels_file"  # the key of a yaml that says where they are
RUN_OPTIONS = "run_options"  # of hyperparams.yaml; no base.yaml has it
CHANGE_THE_RESULT = (
    *("precision", "eval_precision", "auto_mix_prec", "bfloat16_mix_prec"),
    *("max_grad_norm", "skip_nonfinite_grads", "nonfinite_patience"),
    *("grad_accumulation_factor", "optimizer_step_limit"),
    *("remove_vector_weight_decay", "debug", "debug_persistently"),
    *("debug_batches", "debug_epochs"),
)


def settings_of(hparams_file, overrides, run_opts):
    """What a run is to store: all references resolved, nothing built.

    Arguments
    ---------
    hparams_file : str or os.PathLike
        A base.yaml.
    overrides : str
        In yaml.
    run_opts : speechbrain.utils.run_opts.RunOptions
        Those that change the result and are not SpeechBrain's defaults are
        added.

    Returns
    -------
    str
        In yaml.

    Example
    -------
    >>> from speechbrain.utils.run_opts import RunOptions
    >>> base = getfixture("tmp_path") / "base.yaml"
    >>> _ = base.write_text("lr: 1\\nbest: !ref <lr>\\n")
    >>> print(settings_of(base, "lr: 2", RunOptions(precision="bf16")))
    lr: 2
    best: 2
    run_options:
        precision: bf16
    """
    with open(hparams_file, encoding="utf-8") as file:
        text = resolve_references(file, overrides).getvalue()
    given = run_opts.as_dict()
    given = {k: given[k] for k in CHANGE_THE_RESULT if given[k] != OPTIONS[k]}
    stored = load_yaml(text, hparams_file) if RUN_OPTIONS in text else {}
    had = stored.get(RUN_OPTIONS)
    if had is None:
        return text + (dump_yaml({RUN_OPTIONS: given}) if given else "")
    if had != given:
        words = (f"--{k}" + f"={v}" * (v is not True) for k, v in had.items())
        raise InputError(
            f"{hparams_file} is of a run with {' '.join(words)}: give the same, "
            "and no other run option that changes the result"
        )
    return text


def refuse_other_settings(settings):
    """Refuse an output folder that holds a run with other settings.

    Arguments
    ---------
    settings : dict
        As ``check_recipe`` returns them.
    """
    folder = Path(settings.get("output_folder", ""))
    if folder.is_file():
        raise InputError(f"output_folder={folder} is a file: name a folder")
    stored = folder / HYPERPARAMS
    if not stored.is_file() or not _holds_a_run(folder, settings):
        return
    old = read_yaml(stored)
    if not old:  # version 0.1 was killed while it wrote it
        logger.warning(
            f"{stored} is empty: the run goes on with these settings"
        )
        return
    options = old.get(RUN_OPTIONS, {})
    if options.get("debug") and not options.get("debug_persistently"):
        return  # it has kept no checkpoints
    for was, now in _differences(old, settings):
        raise InputError(
            f"{folder} holds a run with other settings: it had `{was}` where "
            f"this one has `{now}`. Give another --output_folder, or delete "
            f"that one; {stored} is what it had."
        )


def _holds_a_run(folder, settings):
    """Whether something is lost if another run takes the folder."""
    finished = Path(settings.get("result_file", "")).is_file()
    return finished or any(folder.glob("**/CKPT+*"))


def _differences(old, new):
    """(one's text, the other's) of the keys in which two runs differ.

    Top-level keys that hold a single value come first: mappings that refer to
    it differ then too.
    """
    keys = changed_keys(*(plain_settings(tree) for tree in (old, new)))
    keys.sort(key=lambda key: isinstance(new.get(key, old.get(key)), dict))
    for key in keys:
        lines = (dump_yaml({key: tree.get(key)}) for tree in (old, new))
        yield tuple(" ".join(line.split()) for line in lines)


def stored_labels(folder, settings):
    """Where the label set of a run is, wherever the run has been moved.

    Arguments
    ---------
    folder : str or os.PathLike
        Of the run.
    settings : dict
        What its hyperparams.yaml holds.

    Returns
    -------
    pathlib.Path
        The file.
    """
    file, output = (
        Path(str(settings[LABELS])),
        str(settings.get("output_folder")),
    )
    if file.is_relative_to(output):
        return Path(folder) / file.relative_to(output)
    return file


def sums_of_settings(folder):
    """Checksums of what the settings and the label set of a run say.

    What may change between a run and its continuation is left out.

    Arguments
    ---------
    folder : str or os.PathLike
        Of the run; without a hyperparams.yaml there is nothing to check.

    Returns
    -------
    dict
        Name of a file, from the folder on -> checksum.
    """
    stored = Path(folder) / HYPERPARAMS
    if not stored.is_file():
        return {}
    settings = read_yaml(stored)
    plain = without(plain_tree(settings), UNSUMMED)
    text = json.dumps(plain, sort_keys=True, default=str)
    sums = {HYPERPARAMS: hashlib.sha256(text.encode()).hexdigest()}
    if LABELS in settings:
        labels = stored_labels(folder, settings)
        if labels.is_file():
            here = labels.is_relative_to(folder)
            name = labels.relative_to(folder) if here else labels
            sums[name.as_posix()] = sha256_of(labels)
    return sums
