"""Batches of clips of similar length, for encoders that take any length."""

from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler

from ..errors import InputError, check_count

# what SpeechBrain's makes of wrong settings
REFUSED = (TypeError, ValueError, RuntimeError, AssertionError, ArithmeticError)


def dynamic_batches(dataset, settings, seed, processes=1):
    """SpeechBrain's DynamicBatchSampler over the durations of clips.

    Every epoch has as many batches: which clips may share one depends on
    their durations alone.

    Arguments
    ---------
    dataset : speechbrain.dataio.dataset.DynamicItemDataset
        Clips with a "duration" (seconds).
    settings : dict
        Its arguments, such as ``max_batch_length``, the seconds of all clips
        of a batch with their padding, and ``bucket_boundaries``, the seconds
        of clips that may share one. Of the boundaries that it finds for
        ``num_buckets`` most are longer than short clips.
    seed : int
        Seeds the order.
    processes : int
        Between which the batches are shared out.

    Returns
    -------
    speechbrain.dataio.sampler.DynamicBatchSampler
        Yields lists of indices.

    Example
    -------
    >>> from speechbrain.dataio.dataset import DynamicItemDataset
    >>> clips = {f"{i}": {"duration": 1.0 + i} for i in range(6)}
    >>> settings = {"max_batch_length": 8, "num_buckets": 3}
    >>> batches = dynamic_batches(DynamicItemDataset(clips), settings, seed=1)
    >>> sorted(sorted(batch) for batch in batches)
    [[0, 1], [2], [3], [4], [5]]
    """
    try:
        _check(dataset, **settings)
        sampler = DynamicBatchSampler(dataset, seed=seed, **settings)
        if settings["max_batch_length"] <= 0:
            raise ValueError("max_batch_length is not above 0")
    except REFUSED as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()).rstrip(" .!")
        raise InputError(
            f"dynamic_batch={settings}: {reason}. Give "
            "{max_batch_length: seconds, bucket_boundaries: [seconds, ...]}"
        ) from error
    # SpeechBrain takes a process's only batch for a list of batches
    if len(sampler) <= processes > 1:
        raise InputError(
            f"dynamic_batch={settings} makes {len(sampler)} batches of "
            f"{len(dataset)} clips, too few for {processes} processes: lower "
            "max_batch_length, or leave dynamic_batch out"
        )
    return sampler


def _check(dataset, num_buckets=None, **others):
    """Refuse what SpeechBrain's has no words for."""
    if num_buckets is not None:
        check_count("dynamic_batch: num_buckets", num_buckets)
    told = {"length_func", "lengths_list"} & others.keys()
    has_clips = isinstance(dataset, DynamicItemDataset)
    for name in dataset.data_ids if has_clips and not told else ():
        if "duration" not in dataset.data[name]:
            raise InputError(
                f'dynamic_batch: the clip {name} has no "duration" (seconds) in '
                "the manifest: write that anew, or leave dynamic_batch out"
            )


def longest_first(dataset):
    """The order in which clips are evaluated.

    Batches of clips of one length have little padding to compute, and one
    that does not fit into memory comes first.

    Arguments
    ---------
    dataset : torch.utils.data.Dataset
        One of SpeechBrain's whose clips have no "duration" keeps its order,
        as do others.

    Returns
    -------
    list of int
        Indices of all clips.

    Example
    -------
    >>> from speechbrain.dataio.dataset import DynamicItemDataset
    >>> clips = {f"{i}": {"duration": i % 3} for i in range(4)}
    >>> longest_first(DynamicItemDataset(clips))
    [2, 1, 0, 3]
    """
    order = range(len(dataset))
    if not isinstance(dataset, DynamicItemDataset):
        return list(order)
    clips = [dataset.data[name] for name in dataset.data_ids]
    return sorted(order, key=lambda i: -float(clips[i].get("duration", 0)))
