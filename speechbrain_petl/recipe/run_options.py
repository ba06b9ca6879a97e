"""SpeechBrain's run options that change the result: settings like any other."""

from speechbrain.utils.run_opts import RunOptions

from .yaml_files import dump_yaml

KEY = "run_options"  # of hyperparams.yaml; no base.yaml has it
DEBUG, KEPT = "debug", "debug_persistently"
CHANGE_THE_RESULT = (
    *("precision", "eval_precision", "auto_mix_prec", "bfloat16_mix_prec"),
    *("max_grad_norm", "skip_nonfinite_grads", "nonfinite_patience"),
    *("grad_accumulation_factor", "optimizer_step_limit"),
    *("remove_vector_weight_decay", DEBUG, KEPT),
    *("debug_batches", "debug_epochs"),
)
DEFAULTS = RunOptions().as_dict()


def run_options(run_opts):
    """Those that change the result and are not SpeechBrain's defaults.

    Arguments
    ---------
    run_opts : speechbrain.utils.run_opts.RunOptions
        As a command line has them.

    Returns
    -------
    dict
        Name -> value.

    Example
    -------
    >>> run_options(RunOptions(precision="bf16", noprogressbar=True))
    {'precision': 'bf16'}
    """
    given = run_opts.as_dict()
    names = [k for k in CHANGE_THE_RESULT if given[k] != DEFAULTS[k]]
    return {name: given[name] for name in names}


def with_run_options(text, run_opts):
    """Settings, with the run options at the end.

    Arguments
    ---------
    text : str
        In yaml.
    run_opts : speechbrain.utils.run_opts.RunOptions
        As a command line has them.

    Returns
    -------
    str
        In yaml.

    Example
    -------
    >>> print(with_run_options("lr: 1\\n", RunOptions(precision="bf16")))
    lr: 1
    run_options:
        precision: bf16
    """
    options = run_options(run_opts)
    return text + dump_yaml({KEY: options}) if options else text
