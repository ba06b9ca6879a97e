"""SpeechBrain's run options, as the Brain finds them and before it does."""

from speechbrain.utils.distributed import infer_device
from speechbrain.utils.run_opts import RunOptions

from .precision import precisions_of


def resolve_options(run_opts=None, hparams=None):
    """The value of every run option: command line, else yaml, else default.

    The default of the precision is the fastest that is safe on the device.

    What is changed here, before the Brain is built, is what it builds with
    and what it logs.

    Arguments
    ---------
    run_opts : speechbrain.utils.run_opts.RunOptions or dict, optional
        Of the command line.
    hparams : dict, optional
        Of the yaml file.

    Returns
    -------
    dict
        Name -> value.

    Example
    -------
    >>> options = resolve_options({"device": "cpu"}, {"precision": "bf16"})
    >>> options["device"], options["precision"], options["eval_precision"]
    ('cpu', 'bf16', 'fp32')
    """
    if not isinstance(run_opts, RunOptions):
        run_opts = RunOptions.from_dictionary(run_opts or {})
    options = RunOptions().as_dict()
    del options["overridden_args"]
    device = (hparams or {}).get("device")
    if "device" in run_opts.overridden_args:
        device = run_opts["device"]
    options |= precisions_of(device or infer_device())
    for name in options:
        if name in run_opts.overridden_args:
            options[name] = run_opts[name]
        elif name in (hparams or {}):
            options[name] = hparams[name]
    if options["bfloat16_mix_prec"]:  # the older spelling
        options["precision"] = "bf16"
        options["bfloat16_mix_prec"] = False
    return options
