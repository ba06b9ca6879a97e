"""Compute what does not change from epoch to epoch once, and train on that.

Two levels: ``features``, what the filterbank returns; and ``frozen``, what the
encoder has computed where its first trained parameter comes in, which leaves a
linear probe next to nothing to do.
"""

import copy
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger

from .clip_store import ClipStore, checksum_of
from .errors import InputError, did_you_mean
from .lobes.ast import AST

logger = get_logger(__name__)

LEVELS = ("features", "frozen")


@contextmanager
def cached_clips(brain, datasets, loader, level, folder):
    """Datasets whose ``sig`` is what a Brain would compute of it.

    Inside, the Brain's filterbank passes on what it is given, and so do, at
    the level ``frozen``, the frozen blocks of its encoder. Where augmentation
    or dropout comes before the level, the datasets stay as they are, and a
    line of the log says why.

    Arguments
    ---------
    brain : PETLBrain
        With the modules "fbank", "wave_augment", "augment" and "encoder".
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
            f"{did_you_mean(level, LEVELS)}"
        )
    if folder is None:
        raise InputError(f"cache={level!r} needs a cache_folder")
    modules = brain.raw_modules
    obstacle = obstacle_to(modules, level)
    if obstacle:
        logger.warning(f"cache={level}: not used, since {obstacle}")
        yield datasets
        return
    blocks = frozen_blocks(modules.encoder) if level == "frozen" else None
    store = _filled(brain, datasets, loader, blocks, folder)
    fbank, encoder = modules.fbank, _plain(modules.encoder)
    brain.modules["fbank"] = Stored(fbank)
    encoder.start = blocks
    try:
        yield {k: StoredClips(data, store) for k, data in datasets.items()}
    finally:
        brain.modules["fbank"], encoder.start = fbank, None


def obstacle_to(modules, level):
    """Why a level cannot be cached.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        As in ``cached_clips``.
    level : str
        "features" or "frozen".

    Returns
    -------
    str or None
        The reason, if there is one.
    """
    if modules.wave_augment.steps:
        return "wave_augment changes the waveforms in each epoch"
    encoder = _plain(modules.encoder)
    if not isinstance(encoder, AST):
        return f"{type(encoder).__name__} takes waveforms of any length"
    if level == "features":
        return None
    if modules.augment.steps:
        return (
            "augment changes the spectrograms in each epoch; without it "
            "(--augment='!new:speechbrain_petl.Augment') it would be"
        )
    if encoder.pos_drop.p or not isinstance(encoder.patch_drop, nn.Identity):
        return "dropout changes the tokens in each epoch"
    if not frozen_blocks(modules.encoder):
        return "the method trains or wraps something below the first block"
    return None


def frozen_blocks(encoder):
    """How many of the first blocks of an AST no training changes.

    Arguments
    ---------
    encoder : torch.nn.Module
        An AST or an AdaptedEncoder of one.

    Returns
    -------
    int
        0 also where something below the blocks trains, or around them.

    Example
    -------
    >>> from speechbrain_petl import AdaptedEncoder
    >>> frozen_blocks(AdaptedEncoder(AST((32, 3, 2), 64, 64), train=["norm.*"]))
    3
    """
    ast = _plain(encoder)
    below = [ast.cls_token, ast.dist_token, ast.pos_embed]
    below += ast.patch_embed.parameters()
    if any(p.requires_grad for p in below):
        return 0
    if not isinstance(ast.blocks, nn.Sequential):
        return 0
    for number, block in enumerate(ast.blocks):
        drops = (m.p for m in block.modules() if isinstance(m, nn.Dropout))
        if any(p.requires_grad for p in block.parameters()) or any(drops):
            return number
    return len(ast.blocks)


class Stored(nn.Module):
    """Stands for a filterbank whose output is in the batch already.

    Arguments
    ---------
    fbank : torch.nn.Module
        The filterbank, for those who ask for its settings.

    Example
    -------
    >>> Stored(nn.Identity())(torch.ones(1, 2, 3), torch.ones(1)).shape
    torch.Size([1, 2, 3])
    """

    def __init__(self, fbank):
        super().__init__()
        self.fbank = fbank

    def __getattr__(self, name):
        if name in ("samples", "frames", "padding_value", "sample_rate"):
            return getattr(self.fbank, name)
        return super().__getattr__(name)

    def forward(self, stored, lens=None):
        """What is stored.

        Arguments
        ---------
        stored : torch.Tensor
            Spectrograms or tokens (batch, ...).
        lens : torch.Tensor, optional
            Not used.

        Returns
        -------
        torch.Tensor
            The same.
        """
        return stored


class StoredClips(DynamicItemDataset):
    """A dataset whose ``sig`` comes from a store.

    Arguments
    ---------
    dataset : speechbrain.dataio.dataset.DynamicItemDataset
        Gives all the other items.
    store : ClipStore
        Gives ``sig``.
    """

    def __init__(self, dataset, store):
        self.data, self.data_ids = dataset.data, dataset.data_ids
        self.pipeline = copy.deepcopy(dataset.pipeline)
        keys = {*self.pipeline.output_mapping, "id"} - {"sig"}
        self.pipeline.set_output_keys(sorted(keys))
        self.store = store

    def __getitem__(self, index):
        item = super().__getitem__(index)
        return {**item, "sig": self.store[item["id"]]}


def _plain(encoder):
    return getattr(encoder, "encoder", encoder)


def _filled(brain, datasets, loader, blocks, folder):
    """The store of all clips of all splits, computed where it must be."""
    files = {}
    for data in datasets.values():
        files.update(data.data)
    modules = brain.raw_modules
    fbank = modules.fbank
    settings = {
        "fbank": [fbank.frames, fbank.banks.shape[1], fbank.sample_rate],
        "normalised": [fbank.mean, fbank.std],
        "blocks": blocks,
        "precision": brain.eval_precision,
    }
    state = _plain(modules.encoder).state_dict() if blocks else None
    store = ClipStore(folder, files, checksum_of(settings, files, state))
    store.fill(lambda: _computed(brain, datasets, loader, blocks, store.path))
    logger.info(f"clips come from {store.path}")
    return store


def _computed(brain, datasets, loader, blocks, path):
    """Ids and arrays of this process's share of the clips."""
    modules = brain.raw_modules
    ast = _plain(modules.encoder)
    was_training = ast.training
    ast.eval()
    for split, data in datasets.items():
        batches = DataLoader(
            data,
            loader["batch_size"],
            sampler=range(brain.rank, len(data), brain.processes),
            num_workers=loader.get("num_workers", 0),
            collate_fn=PaddedBatch,
        )
        hidden = not if_main_process() or brain.noprogressbar
        for batch in tqdm(batches, f"caching {split}", disable=hidden or None):
            wavs, lens = batch.to(brain.device).sig
            with torch.no_grad(), brain.evaluation_ctx:
                values = modules.fbank(wavs, lens)
                if blocks:
                    values = ast.blocks[:blocks](ast.embed(values))
            yield batch.id, values
    ast.train(was_training)
