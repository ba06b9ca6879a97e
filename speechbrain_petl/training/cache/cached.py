"""Compute what does not change from epoch to epoch once, and train on that.

Two levels: ``features``, what the filterbank returns; and ``frozen``, what the
encoder has computed where its first trained parameter comes in. Where that is
after all blocks, as in a linear probe, it is one vector per clip: the mean of
its normalised tokens. Where a pooling learns, it is all tokens, and where
weights of the layers do, all tokens of all layers: see ``probes``.
"""

from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger

from ...errors import InputError, did_you_mean
from .clip_store import ClipStore, checksum_of
from .frozen import (
    LEVELS,
    all_frozen,
    frozen_blocks,
    obstacle_to,
    plain,
    what_computes,
)
from .probes import probe_of
from .stored import Affine, Stored, StoredClips

logger = get_logger(__name__)


@contextmanager
def cached_clips(brain, datasets, loader, level, folder):
    """Datasets whose ``sig`` is what a Brain would compute of it.

    Inside, the Brain's filterbank passes on what it is given, and so do, at
    the level ``frozen``, the frozen blocks of its encoder and, if these are
    all, the pooling. Where augmentation
    or dropout comes before the level, the datasets stay as they are, and a
    line of the log says why. The frozen blocks compute in the precision of
    evaluation.

    Arguments
    ---------
    brain : PETLBrain
        With the modules "fbank", "wave_augment", "augment", "pooling" and
        "encoder".
    datasets : dict
        Split -> DynamicItemDataset with "id" and "sig".
    loader : dict
        Arguments of the data loaders.
    level : str or None
        "features", "frozen", or None for no cache.
    folder : str
        Where the files are kept; other runs may use the same.

    Yields
    ------
    dict
        Split -> dataset.
    """
    if level is None:
        yield datasets
        return
    if level not in LEVELS:
        raise InputError(
            f"cache={level!r} is neither null nor one of {', '.join(LEVELS)}."
            f"{did_you_mean(str(level), LEVELS)}"
        )
    if folder is None:
        raise InputError(f"cache={level!r} needs a cache_folder")
    modules = brain.raw_modules
    obstacle = obstacle_to(level, modules, datasets)
    if obstacle:
        logger.warning(f"cache={level}: not used, since {obstacle}")
        yield datasets
        return
    frozen = level == "frozen"
    probe = probe_of(modules) if frozen else None
    blocks = frozen_blocks(modules.encoder) if frozen and not probe else None
    store = _filled(brain, datasets, loader, (blocks, probe), folder)
    standing_in = probe.standing_in if probe else partial(_standing_in, blocks)
    with standing_in(brain):
        yield {k: StoredClips(data, store) for k, data in datasets.items()}


@contextmanager
def _standing_in(blocks, brain):
    """A Brain that goes on from what is stored."""
    fbank, pooling = brain.modules["fbank"], brain.modules["pooling"]
    encoder = plain(brain.raw_modules.encoder)
    norm, whole = encoder.norm, all_frozen(brain.raw_modules, blocks)
    brain.modules["fbank"], encoder.start = Stored(fbank), blocks
    if whole:
        brain.modules["pooling"], encoder.norm = Stored(pooling), Affine(norm)
    try:
        yield
    finally:
        brain.modules["fbank"], encoder.start = fbank, None
        brain.modules["pooling"], encoder.norm = pooling, norm


def _mean_before_affine(modules, features, samples):
    """The mean of normalised tokens; scaled, it is that of scaled ones."""
    encoder = plain(modules.encoder)
    norm = encoder.norm
    encoder.norm = nn.LayerNorm(encoder.dim, norm.eps, elementwise_affine=False)
    try:
        return modules.pooling(encoder(features, samples), samples)
    finally:
        encoder.norm = norm


def _filled(brain, datasets, loader, frozen, folder):
    """The store of all clips of all splits, computed where it must be."""
    files = {}
    for data in datasets.values():
        for key, entry in data.data.items():
            if files.setdefault(key, entry) != entry:
                raise InputError(
                    f"cache: two different clips are called {key!r}: rename "
                    "one, or leave cache=null"
                )
    blocks, probe = frozen
    settings, state = what_computes(brain.raw_modules, blocks)
    if probe:
        more = probe.what_computes(brain.raw_modules)
        settings, state = settings | more[0], state | more[1]
    if blocks or probe:
        settings["precision"] = brain.eval_precision
    store = ClipStore(folder, files, checksum_of(settings, files, state))
    store.fill(lambda: _computed(brain, datasets, loader, *frozen))
    logger.info(f"{len(files)} clips come from {store.path}")
    return store


def _computed(brain, datasets, loader, blocks, probe):
    """Ids and arrays of this process's share of the clips."""
    modules = brain.raw_modules
    ast, whole = plain(modules.encoder), all_frozen(modules, blocks)
    was_training = ast.training
    modules.encoder.eval()
    for split, data in datasets.items():
        batches = DataLoader(
            data,
            loader.get("batch_size") or 1,
            sampler=range(brain.rank, len(data), brain.processes),
            num_workers=loader.get("num_workers") or 0,
            collate_fn=PaddedBatch,
        )
        hidden = not if_main_process() or brain.noprogressbar
        for batch in tqdm(batches, f"caching {split}", disable=hidden or None):
            wavs, wav_lens = batch.to(brain.device).sig
            with torch.no_grad(), brain.evaluation_ctx:
                values = modules.fbank(wavs, wav_lens)
                samples = wav_lens * wavs.shape[1]
                if probe:
                    values = probe.computed(modules, values, samples)
                elif whole:
                    values = _mean_before_affine(modules, values, samples)
                elif blocks:
                    values = ast.blocks[:blocks](ast.embed(values))
            yield batch.id, values
    modules.encoder.train(was_training)
