"""What a method starts from: what trains, other runs, a look at the inputs."""

from itertools import islice

import torch

import speechbrain as sb
from speechbrain.utils.logger import get_logger

from ..adapters.adapted import AdaptedEncoder
from ..adapters.eva import BATCHES, eva_start, waits_for_inputs
from ..weights.fused_adapters import load_fused

logger = get_logger(__name__)


def keep_what_trains(modules, checkpointer):
    """Name the modules that train, and put them into the checkpoints.

    Adapters of other runs, which an ``AdapterFusion`` attends to, are loaded.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        Of a Brain.
    checkpointer : speechbrain.utils.checkpoints.Checkpointer
        Changed in place.

    Returns
    -------
    list of str
        Names in `modules`; the encoder's also where all of it is frozen, for
        its base has a hash.
    """
    learned, begun = [], bool(checkpointer.find_checkpoint())
    for name, module in modules.items():
        load_fused(module, name, begun)
        adapted = isinstance(module, AdaptedEncoder)
        if adapted or any(p.requires_grad for p in module.parameters()):
            learned.append(name)
            checkpointer.add_recoverable(name, module)
    return learned


def start_from_inputs(brain, dataset, loader):
    """Show a few batches to the layers that ask for them, before training.

    They are those of a first epoch, without augmentation and dropout; a decoder
    is shown the right symbols, and searches nothing. A run that goes on has
    what it began with, and of several processes the first one's directions are
    taken.

    Arguments
    ---------
    brain : PETLBrain
        About to train.
    dataset : torch.utils.data.Dataset
        The training clips.
    loader : dict
        Arguments of the data loaders.
    """
    modules = brain.modules
    if not waits_for_inputs(modules) or brain.checkpointer.find_checkpoint():
        return
    loader = brain.make_dataloader(dataset, sb.Stage.TRAIN, None, **loader)

    def run(batch):
        with brain.evaluation_ctx:
            brain.compute_forward(batch.to(brain.device), sb.Stage.TRAIN)

    logger.info(f"LoRA: init: eva: up to {BATCHES} training batches")
    with torch.no_grad():
        eva_start(modules, run, islice(loader, BATCHES))
