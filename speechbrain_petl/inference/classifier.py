"""From sounds to the names of their classes, with what a run has learned."""

import torch

from speechbrain.inference.interfaces import Pretrained

from ..data.audio import SAMPLE_RATE
from ..training.metrics.voting import vote
from .embed import as_batch, embed
from .reading import read_run, read_saved
from .windows import windows_of


class AudioClassifier(Pretrained):
    """An adapted encoder that names what is in a sound.

    Made of a finished run (``from_run``), or of an adapter folder or a
    repository of the Hugging Face hub (``from_hparams``). Both take the
    arguments of SpeechBrain's ``Pretrained``, ``run_opts={"device": "cuda"}``
    for example.

    Arguments
    ---------
    modules : dict
        fbank, encoder, pooling and classifier.
    hparams : dict
        "labels", in the order of the logits; "activation", softmax or
        sigmoid; "overlap" of the windows of the run, None if it had none.
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
        """The model that a finished run has tested.

        Arguments
        ---------
        folder : str or os.PathLike
            The output_folder of the run.
        base, merge, trust, **kwargs
            As for ``from_hparams``.

        Returns
        -------
        AudioClassifier
            Ready to use.
        """
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
            A folder that ``sbpetl share`` has written, the id of a
            repository of one, or the output_folder of a finished run.
        base : str, optional
            Where the pretrained weights are, if not where the adapter says.
        merge : bool
            Fold LoRA and other methods that can be into the weights.
        trust : bool
            Build classes of any package that it names. Whoever wrote it can
            then run any code here.
        savedir : str, optional
            Where to link what is downloaded, beside the hub's cache.
        fetch_config : speechbrain.utils.fetching.FetchConfig, optional
            With the revision of the repository, for example.
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

        Returns
        -------
        AudioClassifier
            Ready to use.
        """
        if not isinstance(base, torch.nn.Module):
            base = saved.base(base)
        modules = saved.modules(base)
        if merge:
            modules["encoder"] = modules["encoder"].merge()
        hparams = {
            "labels": saved.description["labels"],
            "activation": saved.activation,
            "overlap": saved.description["overlap"],
        }
        return cls(modules, hparams, **kwargs)

    @torch.no_grad()
    def encode_batch(self, wavs, wav_lens=None, sample_rate=SAMPLE_RATE):
        """The embeddings of a batch of clips.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms (batch, sample) or one of them (sample,). What is longer
            than the input of the model is cut; ``classify_file`` takes all.
        wav_lens : torch.Tensor, optional
            Length of each clip as a fraction of the longest (batch,).
        sample_rate : int
            Hz.

        Returns
        -------
        torch.Tensor
            Embeddings (batch, dim).
        """
        wavs = as_batch(wavs, sample_rate).to(self.device)
        if wav_lens is None:
            wav_lens = torch.ones(len(wavs))
        with self.inference_ctx:
            return embed(self.mods, wavs, wav_lens.to(self.device))

    @torch.no_grad()
    def _logits(self, wavs, wav_lens=None, sample_rate=SAMPLE_RATE):
        embeddings = self.encode_batch(wavs, wav_lens, sample_rate)
        with self.inference_ctx:
            return self.mods.classifier(embeddings).float()

    def classify_batch(self, wavs, wav_lens=None, sample_rate=SAMPLE_RATE):
        """What is in each clip of a batch.

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
        logits = self._logits(wavs, wav_lens, sample_rate)
        return self._named(vote(logits.unsqueeze(1), self.hparams.activation))

    forward = classify_batch

    def classify_file(self, path, windows=None, overlap=None, batch_size=8):
        """What is in a file of any length, rate and number of channels.

        A file that is longer than the input of the model is cut into windows,
        which vote.

        Arguments
        ---------
        path : str or os.PathLike
            An audio file.
        windows : int, optional
            Take at most so many windows, from the start; 1 is what recipes
            test that do not cut windows.
        overlap : float, optional
            Fraction of a window that the next one repeats; by default that of
            the run.
        batch_size : int
            Windows at a time.

        Returns
        -------
        probabilities, score, index, names
            As ``classify_batch``, for a batch of one.
        """
        model = self.mods["fbank"].samples, self.hparams.overlap
        batches = windows_of(path, *model, windows, overlap, batch_size)
        logits = torch.cat([self._logits(*batch) for batch in batches])
        logits = logits.unsqueeze(0)
        return self._named(vote(logits, self.hparams.activation))

    def _named(self, probabilities):
        score, index = probabilities.max(dim=1)
        names = [self.hparams.labels[i] for i in index.tolist()]
        return probabilities, score, index, names
