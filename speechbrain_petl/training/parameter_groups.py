"""Parameters that one optimizer treats differently, chosen by glob."""

import math

from ..adapters.globs import match
from ..errors import InputError
from ..weights.prefixes import INSIDE

AROUND = ("module.", *INSIDE)  # what DDP and torch.compile put into names
CHECKED = {"lr", "weight_decay"}  # optimizers check their defaults alone
TWICE = "encoder.encoder."  # an AdaptedEncoder's


def parameter_groups(modules, options):
    """The trainable parameters, those of each glob apart.

    Arguments
    ---------
    modules : torch.nn.Module
        Those of a Brain: names begin with "encoder." or "classifier.".
    options : dict
        Glob -> arguments of the optimizer for these, such as {"lr": 0.001};
        the first that matches counts. Where all of them are None, there is no
        such group.

    Returns
    -------
    list
        As optimizers take it: the parameters, or a dict for each group.

    Example
    -------
    >>> import torch
    >>> linear = torch.nn.Linear(2, 2)
    >>> modules = torch.nn.ModuleDict({"encoder": linear, "classifier": linear})
    >>> groups = parameter_groups(modules, {"*.bias": {"lr": 0.1}})
    >>> [(len(group["params"]), group.get("lr")) for group in groups]
    [(1, None), (1, 0.1)]
    """
    trained = {}
    for name, parameter in modules.named_parameters():
        for word in AROUND:
            name = name.replace(word, "")
        if parameter.requires_grad:
            trained[name.replace(TWICE, "encoder.", 1)] = parameter
    groups = []
    for glob, arguments in options.items():
        said = {k: v for k, v in arguments.items() if v is not None}
        if not said:
            continue
        for name in CHECKED & said.keys():
            _check_rate(f"brain: groups: {glob}: {name}", said[name])
        names = match(glob, trained, "brain: groups")
        groups.append({"params": [trained.pop(n) for n in names], **said})
    if not groups:
        return list(trained.values())
    return [{"params": list(trained.values())}, *groups]


def _check_rate(name, value):
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise InputError(f"{name}={value}: give a number, 0 or more")
