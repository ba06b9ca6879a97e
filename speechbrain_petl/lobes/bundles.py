"""Weights of torchaudio's bundles, by their names."""

import torchaudio

from ..errors import InputError


def is_bundle(source):
    """Whether torchaudio has a bundle of that name.

    Arguments
    ---------
    source : str or os.PathLike
        What weights are asked for by.

    Returns
    -------
    bool
        True for "WAV2VEC2_BASE", "HUBERT_LARGE", "WAVLM_BASE_PLUS", ...

    Example
    -------
    >>> is_bundle("WAV2VEC2_BASE"), is_bundle("facebook/wav2vec2-base")
    (True, False)
    """
    found = getattr(torchaudio.pipelines, str(source), None)
    return isinstance(found, torchaudio.pipelines.Wav2Vec2Bundle)


def read_bundle(name):
    """The tensors of a bundle, from torch.hub's cache or downloaded.

    Arguments
    ---------
    name : str
        Name of a bundle.

    Returns
    -------
    dict
        State dict with torchaudio's names.
    """
    bundle = getattr(torchaudio.pipelines, name)
    # the public way builds the whole model first
    try:
        return bundle._get_state_dict(
            {"map_location": "cpu", "weights_only": True}
        )
    except OSError as error:
        raise InputError(
            f"the weights of torchaudio's {name} are out of reach ({error}). "
            "Download them where there is internet and give the file: "
            "--source=/path/to/file.pth"
        ) from error
