"""What stands for audio and filterbank when clips come from a store."""

import copy

from torch import nn

from speechbrain.dataio.dataset import DynamicItemDataset


class Stored(nn.Module):
    """Stands for a filterbank whose output is in the batch already.

    Arguments
    ---------
    fbank : torch.nn.Module
        The filterbank, for those who ask for its settings.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import Fbank
    >>> stored = Stored(Fbank(frames=2))
    >>> stored(torch.ones(1, 2, 3), torch.ones(1)).shape, stored.frames
    (torch.Size([1, 2, 3]), 2)
    """

    def __init__(self, fbank):
        super().__init__()
        self.fbank = fbank

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("fbank"), name)

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
    store : speechbrain_petl.cache.clip_store.ClipStore
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
