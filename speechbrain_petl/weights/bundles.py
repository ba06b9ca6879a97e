"""Weights of torchaudio's bundles, by their names."""

import torchaudio

from ..errors import InputError, did_you_mean


def is_bundle(source):
    """Whether torchaudio has a bundle of that name.

    Example
    -------
    >>> is_bundle("WAV2VEC2_BASE"), is_bundle("facebook/wav2vec2-base")
    (True, False)
    """
    found = getattr(torchaudio.pipelines, str(source), None)
    return isinstance(found, torchaudio.pipelines.Wav2Vec2Bundle)


def bundles_like(name):
    """A sentence that names the bundles nearest to a mistyped one, or "".

    Example
    -------
    >>> bundles_like("wavlm_base")
    ' Did you mean WAVLM_BASE or WAVLM_BASE_PLUS or WAVLM_LARGE?'
    """
    known = [name for name in dir(torchaudio.pipelines) if is_bundle(name)]
    return did_you_mean(str(name).upper(), known)


def read_bundle(name):
    """The state dict of a bundle, from torch.hub's cache or downloaded."""
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
