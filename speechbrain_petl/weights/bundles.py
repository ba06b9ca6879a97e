"""Weights of torchaudio's bundles, by their names."""

import torchaudio

from ..errors import InputError, did_you_mean


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


def bundles_like(name):
    """The bundles whose names are nearest to a mistyped one.

    Arguments
    ---------
    name : str
        What was asked for.

    Returns
    -------
    str
        A sentence that starts with a blank, or an empty string.

    Example
    -------
    >>> bundles_like("wavlm_base")
    ' Did you mean WAVLM_BASE or WAVLM_BASE_PLUS or WAVLM_LARGE?'
    """
    known = [name for name in dir(torchaudio.pipelines) if is_bundle(name)]
    return did_you_mean(str(name).upper(), known)


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
    options = {"map_location": "cpu", "weights_only": True}
    try:
        return bundle.get_model(dl_kwargs=options).state_dict()
    # no network, or any of torch's exceptions at a damaged file of its cache
    except Exception as error:
        reason = str(error).split(". ")[0] or type(error).__name__
        raise InputError(
            f"the weights of torchaudio's {name} are out of reach ({reason}). "
            "Download them where there is internet and give the file: "
            "--source=/path/to/file.pth"
        ) from error
