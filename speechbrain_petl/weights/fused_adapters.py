"""The adapters of finished runs, put where ``AdapterFusion`` attends to them."""

import json
from pathlib import Path

import torch

from ..adapters.fusion import AdapterFusion, ways_of
from ..errors import InputError
from .adapter_files import HASH, WAYS, WEIGHTS, fingerprint, read_weights


def load_fused(adapted, called="encoder", begun=False):
    """Fill every ``AdapterFusion`` of an encoder with what its runs learned.

    Arguments
    ---------
    adapted : AdaptedEncoder
        With the base's weights.
    called : str
        Its name among the modules of a run.
    begun : bool
        Whether a checkpoint holds them: runs may have been moved since.
    """
    sites = {
        name: module
        for name, module in adapted.named_modules()
        if isinstance(module, AdapterFusion)
    }
    if sites and called != "encoder":
        raise InputError(
            f"petl: AdapterFusion at {next(iter(sites))} of the {called}: it fuses "
            "the adapters of runs' encoders alone: name sites of the encoder"
        )
    runs = list(dict.fromkeys(r for m in sites.values() for r in m.runs))
    for run in runs:
        path = Path(run).expanduser() / WEIGHTS
        if not path.is_file():
            if begun:
                continue
            raise InputError(
                f"petl: runs: {run} holds no {WEIGHTS}: give the folder of a "
                "finished run, or of an adapter"
            )
        tensors, metadata = read_weights(path)
        learned = tensors.get("encoder", {})
        _check_ways(adapted, sites, metadata, run)
        _check(adapted, sites, learned, metadata, run)
        for name, module in sites.items():
            for number, other in enumerate(module.runs):
                if other == run:
                    _fill(
                        module.adapters[number], f"{name}.block.", learned, run
                    )


def _check(adapted, sites, learned, metadata, run):
    """Refuse another base, and what would be left out."""
    own = {
        name
        for name in adapted.state_dict()
        for site in sites
        if name.startswith(f"{site}.")
        and not name.startswith(f"{site}.pretrained_module.")
    }
    if fingerprint(adapted, own | learned.keys())[HASH] != metadata.get(HASH):
        raise InputError(
            f"petl: runs: {run} has adapted another base than this encoder, or "
            "other sites of it: give runs of the same source and size"
        )
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    used = tuple(f"{site}.block." for site in sites)
    left = [
        name
        for name in sorted(learned)
        if not name.startswith(used) and name not in trained
    ]
    if left:
        raise InputError(
            f"petl: runs: {run} has also trained {left[0]}"
            + (f" and {len(left) - 1} more" if left[1:] else "")
            + ": let `train` of this method name it, or train the run without"
        )


def _check_ways(adapted, sites, metadata, run):
    """Refuse adapters that are attached in another way than they are fused."""
    if WAYS not in metadata:
        raise InputError(
            f"petl: runs: {run} does not say in which way its adapters are "
            "attached: its command with --test_only writes that"
        )
    said, ways = json.loads(metadata[WAYS]), ways_of(adapted)
    for name in sites:
        if said.get(name, ways[name]) != ways[name]:
            raise InputError(
                f"petl: runs: {run} has {said[name]} at {name}, and "
                f"AdapterFusion {ways[name]}: only adapters beside a module can be "
                "fused, with the `scale` of theirs if it was not learned"
            )


def _fill(block, prefix, learned, run):
    own = dict(block.named_buffers())
    found = {
        name.removeprefix(prefix): value
        for name, value in learned.items()
        if name.startswith(prefix)
    }
    shapes = [
        {n: tuple(v.shape) for n, v in sorted(tensors.items())}
        for tensors in (found, own)
    ]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"petl: runs: {run} has {shapes[0] or 'nothing'} at {prefix[:-1]}, "
            f"the block of this method has {shapes[1]}: name the block that "
            "the run was trained with"
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(found[name])
