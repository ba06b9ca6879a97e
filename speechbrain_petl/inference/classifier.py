"""From sounds to the names of their classes, with what a run has learned."""

import torch

from speechbrain.inference.interfaces import Pretrained

from ..data.audio import SAMPLE_RATE
from ..errors import InputError
from ..training.metrics.voting import vote
from .answers import answers
from .embed import embed
from .explain import explain
from .reading import read_run, read_saved
from .waveforms import as_batch
from .windows import BATCH, FileWindows, predict_windows


class AudioClassifier(Pretrained):
    """An adapted encoder that names what is in a sound.

    Made of a finished run (``from_run``), or of an adapter folder or a
    repository of the Hugging Face hub (``from_hparams``). Both take what
    SpeechBrain's ``Pretrained`` does: ``run_opts={"device": "cuda"}``, ...

    Arguments
    ---------
    modules : dict
        fbank, encoder, pooling and classifier.
    hparams : dict
        "labels", in the order of the logits; "activation", softmax or
        sigmoid; "overlap" of the windows of the run, None if it had none;
        "temperature" that the logits are divided by, 1 if there is none.
    **kwargs : dict
        As for ``Pretrained``.

    Example
    -------
    >>> from speechbrain_petl import AST, Fbank, Pooling
    >>> classifier = AudioClassifier(
    ...     {
    ...         "fbank": Fbank(frames=64),
    ...         "encoder": AST((32, 2, 2), frames=64),
    ...         "pooling": Pooling(),
    ...         "classifier": torch.nn.Linear(32, 2),
    ...     },
    ...     {"labels": ["a", "b"], "activation": "softmax", "overlap": None},
    ... )
    >>> classifier.encode_batch(torch.randn(3, 8000)).shape
    torch.Size([3, 32])
    >>> probabilities, score, index, names = classifier.classify_batch(
    ...     torch.randn(3, 24000), sample_rate=48000
    ... )
    >>> probabilities.shape, score.shape, len(names)
    (torch.Size([3, 2]), torch.Size([3]), 3)
    """

    MODULES_NEEDED = ["fbank", "encoder", "pooling", "classifier"]
    HPARAMS_NEEDED = ["labels", "activation", "overlap"]

    @classmethod
    def from_run(cls, folder, base=None, merge=True, trust=False, **kwargs):
        """The model that a finished run has tested; as ``from_hparams``."""
        return cls.of(read_run(folder, trust), base, merge, **kwargs)

    @classmethod
    def from_hparams(
        cls,
        source,
        base=None,
        merge=True,
        trust=False,
        savedir=None,
        fetch_config=None,
        **kwargs,
    ):
        """The model of an adapter folder, here or on the hub, or of a run.

        Arguments
        ---------
        source : str or os.PathLike
            A folder that ``sbpetl share`` has written, the id of a repository
            of one, or a finished run.
        base : str, optional
            Where the pretrained weights are, if not where the adapter says.
        merge : bool
            Fold LoRA and other methods that can be into the weights.
        trust : bool
            Build classes of any package that it names. Whoever wrote it can
            then run any code here.
        savedir, fetch_config
            As for ``speechbrain.utils.fetching.fetch``.
        **kwargs : dict
            As for ``Pretrained``.

        Returns
        -------
        AudioClassifier
            Ready to use.
        """
        fetching = {"savedir": savedir}
        if fetch_config is not None:
            fetching["fetch_config"] = fetch_config
        saved = read_saved(source, trust, **fetching)
        return cls.of(saved, base, merge, **kwargs)

    @classmethod
    def of(cls, saved, base=None, merge=True, **kwargs):
        """The model of what was read.

        Arguments
        ---------
        saved : speechbrain_petl.inference.saved.Saved
            A run or an adapter.
        base, merge, **kwargs
            As for ``from_hparams``; or ``base`` is the encoder, with its weights.
        """
        if not isinstance(base, torch.nn.Module):
            base = saved.base(base)
        modules = saved.modules(base)
        if merge:
            modules["encoder"] = modules["encoder"].merge()
        hparams = {
            "labels": saved.description["labels"],
            "activation": saved.activation,
            "temperature": saved.temperature,
            "overlap": saved.description["overlap"],
        }
        return cls(modules, hparams, **kwargs)

    @property
    def temperature(self):
        """What logits are divided by, as fitted on validation."""
        return getattr(self.hparams, "temperature", 1.0)

    @torch.no_grad()
    def _predict(self, wavs, wav_lens):
        """Embeddings and logits of windows (batch, sample), on the CPU."""
        wavs, wav_lens = wavs.to(self.device), wav_lens.to(self.device)
        with self.inference_ctx:
            embeddings = embed(self.mods, wavs, wav_lens)
            logits = self.mods.classifier(embeddings).float()
        return embeddings.float().cpu(), (logits / self.temperature).cpu()

    def _windowed(self, *clips):
        clips = as_batch(*clips)
        model = self.mods["fbank"].samples, self.hparams.overlap or 0.0
        return predict_windows(self._predict, *clips, *model)

    def encode_batch(self, wavs, wav_lens=None, sample_rate=SAMPLE_RATE):
        """The embeddings of a batch of clips; of windows, their mean.

        Arguments
        ---------
        wavs, wav_lens, sample_rate
            As for ``waveforms.as_batch``: tensors, arrays or a list of them;
            floats or 16 bits; with channels or without.

        Returns
        -------
        torch.Tensor
            Embeddings (batch, dim).
        """
        embeddings, _ = self._windowed(wavs, wav_lens, sample_rate)
        return torch.stack([x.mean(dim=0) for x in embeddings]).to(self.device)

    def classify_batch(self, wavs, wav_lens=None, sample_rate=SAMPLE_RATE):
        """What is in each clip of a batch; the windows of a long one vote.

        Arguments
        ---------
        wavs, wav_lens, sample_rate
            As for ``encode_batch``.

        Returns
        -------
        probabilities : torch.Tensor
            Of each class (batch, class); of a model of tags, they are not
            exclusive.
        score, index : torch.Tensor
            The highest, and which it is (batch,).
        names : list of str
            Its name.
        """
        _, logits = self._windowed(wavs, wav_lens, sample_rate)
        activation = self.hparams.activation
        said = [vote(x.unsqueeze(0), activation) for x in logits]
        return self._named(torch.cat(said))

    forward = classify_batch

    def classify_files(
        self, files, windows=None, overlap=None, batch_size=BATCH, num_workers=0
    ):
        """What is in each of many files, of any length, rate and channels.

        Batches are filled across files. A file that cannot be read is an
        answer with an ``error``.

        Arguments
        ---------
        files : list of str
            Audio files.
        windows : int, optional
            Take so many of a file, from the start; 1 is what recipes test
            that do not cut windows.
        overlap : float, optional
            Ratio of a window that the next one repeats, if not the run's.
        batch_size : int
            Windows at a time.
        num_workers : int
            Processes that read files.

        Returns
        -------
        iterator of speechbrain_petl.inference.answers.Answer
            In the order of the files, each as soon as it is known.
        """
        model = self.mods["fbank"].samples, self.hparams.overlap
        data = FileWindows(files, *model, windows, overlap)
        how = self.hparams.activation, batch_size, num_workers
        return answers(self._predict, data, *how)

    def classify_file(self, path, windows=None, overlap=None, batch_size=BATCH):
        """What is in a file: ``classify_batch`` of one, whose windows vote.

        Arguments
        ---------
        path : str or os.PathLike
            An audio file.
        windows, overlap, batch_size
            As for ``classify_files``.

        Returns
        -------
        probabilities, score, index, names
            As ``classify_batch``, for a batch of one.
        """
        (said,) = self.classify_files([path], windows, overlap, batch_size)
        if said.error:
            raise InputError(said.error)
        return self._named(said.probabilities.unsqueeze(0))

    def explain(self, wav, label=None, sample_rate=SAMPLE_RATE):
        """What of one clip has mattered for a label: see ``explain.explain``."""
        return explain(self, as_batch([wav], None, sample_rate)[0][0], label)

    def _named(self, probabilities):
        score, index = probabilities.to(self.device).max(dim=1)
        names = [self.hparams.labels[i] for i in index.tolist()]
        return probabilities.to(self.device), score, index, names
