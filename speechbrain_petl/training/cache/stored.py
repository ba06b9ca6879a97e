"""What stands for audio and filterbank when clips come from a store."""

import copy

from torch import nn

from speechbrain.dataio.dataset import DynamicItemDataset


class Stored(nn.Module):
    """Stands for a filterbank or a pooling whose output is stored.

    Arguments
    ---------
    module : torch.nn.Module
        The module, for those who ask for its settings.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import Fbank
    >>> stored = Stored(Fbank(frames=2))
    >>> stored(torch.ones(1, 2, 3), torch.ones(1)).shape, stored.frames
    (torch.Size([1, 2, 3]), 2)
    """

    def __init__(self, module):
        super().__init__()
        self.module = module

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, stored, wav_lens=None):
        """What is stored (batch, ...), as it is."""
        return stored


class Affine(nn.Module):
    """What is left of a LayerNorm where the input is normalised already.

    Arguments
    ---------
    norm : torch.nn.LayerNorm
        Whose weight and bias it has.

    Example
    -------
    >>> import torch
    >>> Affine(nn.LayerNorm(32))(torch.ones(3, 32)).shape
    torch.Size([3, 32])
    """

    def __init__(self, norm):
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x):
        """Scale and shift what is normalised (..., dim)."""
        return x * self.weight + self.bias


class StoredClips(DynamicItemDataset):
    """A dataset whose ``sig`` comes from a store.

    Arguments
    ---------
    dataset : speechbrain.dataio.dataset.DynamicItemDataset
        Gives all the other items.
    store : speechbrain_petl.training.cache.clip_store.ClipStore
        Gives ``sig``.
    """

    def __init__(self, dataset, store):
        self.data, self.data_ids = dataset.data, dataset.data_ids
        self.pipeline = copy.deepcopy(dataset.pipeline)
        keys = {**self.pipeline.output_mapping, "id": "id"}  # name -> item
        del keys["sig"]
        self.pipeline.set_output_keys(keys)
        self.store = store

    def __getitem__(self, index):
        item = super().__getitem__(index)
        return {**item, "sig": self.store[item["id"]]}
