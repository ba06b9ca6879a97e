"""Several adapters on one encoder in memory, each a classifier of its own."""

import copy

from ..data.audio import SAMPLE_RATE
from ..errors import InputError, did_you_mean
from ..weights.adapter_files import SIZE
from .classifier import AudioClassifier
from .reading import read_saved
from .waveforms import as_batch


class AdapterSet:
    """Classifiers that have the frozen weights of their encoder in common.

    Each adapter gets modules of its own, but no weights beyond what it has
    learned: they hold the tensors of one base. So the adapters may be of
    different methods, and to switch is to call another one.

    Arguments
    ---------
    base : str, optional
        Where the pretrained weights are; by default where the first adapter
        says.
    trust : bool
        Build classes of any package that an adapter names.
    **kwargs : dict
        As for ``AudioClassifier``: run_opts={"device": "cuda"}, ...

    Example
    -------
    >>> adapters = AdapterSet()
    >>> adapters.add("birds", "results/birds")  # doctest: +SKIP
    >>> adapters.add("alarms", "someone/alarms")  # doctest: +SKIP
    >>> adapters["birds"].classify_file("garden.wav")  # doctest: +SKIP
    """

    def __init__(self, base=None, trust=False, **kwargs):
        self.source, self.trust, self.kwargs = base, trust, kwargs
        self.encoder = self.described = None
        self.in_use = False  # whether answers go by the encoder's weights
        self.fbanks = []  # (description, module): adapters have it in common
        self.classifiers = {}

    def add(self, name, source, **fetching):
        """Load an adapter; the first one that needs the base loads it, too.

        Arguments
        ---------
        name : str
            What to call it; one of the same name is replaced.
        source : str or os.PathLike
            A finished run, an adapter folder or a repository of one.
        **fetching : dict
            As for ``reading.read_adapter``.

        Returns
        -------
        AudioClassifier
            The adapter on the common base.
        """
        saved = read_saved(source, self.trust, **fetching)
        described = saved.description["encoder"]
        if self.classifiers and described != self.described:
            raise InputError(
                f"{source} is of the encoder {described}, this set's is "
                f"{self.described}: put it into a set of its own"
            )
        if self.in_use:
            saved.base_file = None  # it would be copied into what others hold
        else:
            self.encoder, self.described = saved.base(self.source), described
        # new modules around the same parameters
        shared = {id(p): p for p in self.encoder.parameters()}
        encoder = copy.deepcopy(self.encoder, shared)
        try:
            self.classifiers[name] = AudioClassifier.of(
                saved, encoder, merge=False, **self.kwargs
            )
        finally:
            # what this method trains, the next one may not
            self.encoder.requires_grad_(False)
        self.in_use = self.in_use or saved.metadata[SIZE] != "0"
        self._share_fbank(saved.description["fbank"], self.classifiers[name])
        return self.classifiers[name]

    def _share_fbank(self, described, classifier):
        """Its filters are a quarter of the bytes of a small adapter."""
        known = [fbank for other, fbank in self.fbanks if other == described]
        if known:
            classifier.mods["fbank"] = known[0]
        else:
            self.fbanks.append((described, classifier.mods["fbank"]))

    def __getitem__(self, name):
        if name not in self.classifiers:
            raise InputError(
                f"there is no adapter {name!r}."
                f"{did_you_mean(name, self.classifiers)} Those that were "
                f"added: {', '.join(self.classifiers) or 'none'}"
            )
        return self.classifiers[name]

    def __iter__(self):
        return iter(self.classifiers)

    def __len__(self):
        return len(self.classifiers)

    def classify_batch(
        self, wavs, adapters, wav_lens=None, sample_rate=SAMPLE_RATE
    ):
        """Clips of one batch, each by the adapter that it asks for.

        The clips of an adapter are computed together.

        Arguments
        ---------
        wavs, wav_lens, sample_rate
            As for ``AudioClassifier.classify_batch``.
        adapters : list of str
            The name of each clip's adapter.

        Returns
        -------
        list of tuple
            For each clip: probabilities (class,), score, index and name.
        """
        wavs, wav_lens = as_batch(wavs, wav_lens, sample_rate)
        if len(adapters) != len(wavs):
            raise InputError(
                f"{len(wavs)} clips and {len(adapters)} names of adapters: "
                "give one for each"
            )
        said = [None] * len(wavs)
        for name in dict.fromkeys(adapters):
            of_it = [i for i, other in enumerate(adapters) if other == name]
            answers = self[name].classify_batch(wavs[of_it], wav_lens[of_it])
            for clip, *answer in zip(of_it, *answers):
                said[clip] = tuple(answer)
        return said
