"""A file of any length as batches of what a model takes."""

from tqdm import tqdm

from speechbrain.utils.data_utils import batch_pad_right

from ..data.audio import SAMPLE_RATE, check_audio, read_audio
from ..data.windows import cut, read_window


def windows_of(path, samples, trained, windows, overlap, batch_size):
    """The windows of a file, each as its kind of recipe has read it.

    Arguments
    ---------
    path : str or os.PathLike
        An audio file.
    samples : int
        Of a window.
    trained : float or None
        Overlap of the windows that the model was trained on; None if it was
        trained on whole clips.
    windows, overlap, batch_size
        As for ``AudioClassifier.classify_file``.

    Yields
    ------
    tuple of torch.Tensor
        Waveforms (batch, sample), and lengths as fractions of the longest.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [0.0] * 40000, 16000)
    >>> batches = windows_of(path, 16000, None, None, None, batch_size=2)
    >>> [wavs.shape for wavs, wav_lens in batches]
    [torch.Size([2, 16000]), torch.Size([1, 16000])]
    """
    overlap = trained if overlap is None else overlap
    window = samples / SAMPLE_RATE  # seconds
    spans = cut(check_audio(path), window, overlap or 0.0)[:windows]
    bar = tqdm(
        range(0, len(spans), batch_size),
        desc=str(path),
        leave=False,
        disable=None if len(spans) > batch_size else True,
    )
    for first in bar:
        yield batch_pad_right(
            [
                read_audio(path, samples, start=span[0])
                if trained is None
                else read_window(path, *span)
                for span in spans[first : first + batch_size]
            ]
        )
