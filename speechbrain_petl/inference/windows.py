"""Sound of any length as batches of windows, which a model takes."""

from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from speechbrain.utils.data_utils import batch_pad_right

from ..data.audio import SAMPLE_RATE, check_audio, read_audio
from ..data.windows import cut, read_window
from ..errors import InputError
from .options import BATCH


@dataclass
class Window:
    """A window of a file, or why the file cannot be read.

    Arguments
    ---------
    number : int
        Of the file.
    span : tuple of float
        Where it begins and ends, in seconds.
    duration : float
        Of the file, in seconds.
    last : bool
        Whether no other window of the file follows.
    wav : torch.Tensor, optional
        (sample,); None where there is an error.
    error : str
        Why the file cannot be read.
    """

    number: int
    span: tuple = (0.0, 0.0)
    duration: float = 0.0
    last: bool = True
    wav: torch.Tensor | None = None
    error: str = ""


class FileWindows(IterableDataset):
    """The windows of files, one after the other; a worker has every n-th file.

    Arguments
    ---------
    files : list of str
        Audio files; one that cannot be read costs no other.
    samples : int
        Of a window.
    trained : float or None
        Overlap of the windows that the model was trained on; None if it was
        trained on whole clips.
    windows, overlap
        As for ``AudioClassifier.classify_file``.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [0.0] * 40000, 16000)
    >>> found = list(FileWindows([path, "no.wav"], samples=16000))
    >>> [(window.number, window.span) for window in found]
    [(0, (0.0, 1.0)), (0, (1.0, 2.0)), (0, (1.5, 2.5)), (1, (0.0, 0.0))]
    >>> found[-1].error
    'the audio file no.wav is missing. Copy or download it again.'
    """

    def __init__(
        self, files, samples, trained=None, windows=None, overlap=None
    ):
        self.files, self.samples, self.trained = files, samples, trained
        self.windows = windows
        self.overlap = (trained if overlap is None else overlap) or 0.0
        cut(1.0, 1.0, self.overlap)  # a wrong one is no fault of the files

    def __iter__(self):
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in range(first, len(self.files), step):
            try:
                yield from self._of_file(number)
            except InputError as error:
                yield Window(number, error=str(error))
            except Exception as error:  # one odd file among ten thousand
                said = f"{self.files[number]}: {type(error).__name__}: {error}"
                yield Window(number, error=said)

    def _of_file(self, number):
        path = self.files[number]
        duration = check_audio(path)
        spans = cut(duration, self.samples / SAMPLE_RATE, self.overlap)
        spans = spans[: self.windows]
        for i, span in enumerate(spans, start=1):
            if self.trained is None:
                wav = read_audio(path, self.samples, start=span[0])
            else:  # as its recipe has read it
                wav = read_window(path, *span)
            yield Window(number, span, duration, i == len(spans), wav)


def load_windows(data, batch_size, num_workers):
    """Batches of windows, filled across files.

    Arguments
    ---------
    data : FileWindows
        Of some files.
    batch_size : int
        Windows of a batch.
    num_workers : int
        Processes that read, at most; few files need none.

    Returns
    -------
    torch.utils.data.DataLoader
        Yields a list of Window without their waveforms, and those of all that
        have no error as ``batch_pad_right`` makes them; None if none has.
    """
    workers = min(num_workers, len(data.files) // batch_size)
    return DataLoader(
        data, batch_size, num_workers=workers, collate_fn=_batch_of
    )


def _batch_of(windows):
    wavs = [window.wav for window in windows if not window.error]
    for window in windows:
        window.wav = None
    return windows, batch_pad_right(wavs) if wavs else None


def predict_windows(predict, wavs, wav_lens, samples, overlap):
    """What a model says of clips, in windows where they are longer than one.

    Arguments
    ---------
    predict : callable
        As for ``answers.answers``.
    wavs, wav_lens : torch.Tensor
        As ``waveforms.as_batch`` returns them.
    samples : int
        Of a window.
    overlap : float
        Ratio of a window that the next one repeats.

    Returns
    -------
    embeddings, logits : tuple of torch.Tensor
        Of each clip (window, dim) and (window, class).

    Example
    -------
    >>> def predict(wavs, wav_lens):
    ...     return wavs[:, :3], wavs[:, :2]
    >>> clips = torch.zeros(2, 40000), torch.tensor([1.0, 0.2])
    >>> embeddings, _ = predict_windows(predict, *clips, 16000, 0.0)
    >>> [x.shape for x in embeddings]
    [torch.Size([3, 3]), torch.Size([1, 3])]
    """
    if wavs.shape[1] <= samples:
        return [x.split(1) for x in predict(wavs, wav_lens)]
    lengths = (wav_lens * wavs.shape[1]).round().long().tolist()
    spans = [cut(length, samples, overlap) for length in lengths]
    windows = [
        wav[round(start) : round(stop)]
        for wav, of_it in zip(wavs, spans)
        for start, stop in of_it
    ]
    batches = [windows[i : i + BATCH] for i in range(0, len(windows), BATCH)]
    said = [predict(*batch_pad_right(batch)) for batch in batches]
    return [torch.cat(x).split([*map(len, spans)]) for x in zip(*said)]
