"""Every method on every encoder of clips of any length.

The methods of the AST's files are carried over by the names of their sites.
"""

from dataclasses import dataclass
from functools import partial

import torch
from adapter_methods import METHODS, Method, of_file
from method_files import GRIDS, distinct_methods, petl_text
from speech_models import noise, ours, scrambled
from speechbrain_petl import BEATs
from speechbrain_petl.lobes.vit_families import FAMILIES
from stranger import Stranger
from vit_models import ours as vit
from whisper_models import ours as whisper

SAMPLES = [6000, 2900]  # of a batch of two clips
SPEECH = {  # sites of the AST -> torchaudio's names
    "attn.qkv": "attention.{}_proj",
    "attn.proj": "attention.out_proj",
    "mlp.fc1": "feed_forward.intermediate_dense",
    "mlp.fc2": "feed_forward.output_dense",
    "mlp.fc?": "feed_forward.*_dense",
    "attn": "attention",
    "mlp": "feed_forward",
    "norm1.*": "layer_norm.*",
    "norm2.*": "final_layer_norm.*",
    "norm?.*": "*layer_norm.*",
    "norm?": "*layer_norm",
}
STRANGER = {
    "attn.qkv": "attention.{}_proj",
    "attn.proj": "attention.o_proj",
    "mlp.fc1": "ff.0",
    "mlp.fc2": "ff.2",
    "mlp.fc?": "ff.[02]",
    "attn": "attention",
    "mlp": "ff",
    "norm1.*": "norms.0.*",
    "norm2.*": "norms.1.*",
    "norm?.*": "norms.*",
    "norm?": "norms.?",
}


@dataclass
class Encoder:
    """One of the encoders, of two layers."""

    make: callable
    features: callable  # samples -> a batch of features
    stack: str  # name of the stack of layers
    sites: dict  # inside a layer; none if they are the AST's
    size: callable = int  # samples -> steps of the features

    def carried_over(self, method):
        """A method of the AST, for this encoder."""
        if not self.sites:
            return method
        wrap = {
            self.glob(glob, getattr(wrapper, "keywords", {})): _plain(wrapper)
            for glob, wrapper in method.wrap_of().items()
        }
        train = [self.glob(glob) for glob in method.train]
        return Method(wrap, train, method.identity)

    def glob(self, glob, options=()):
        """Its glob for one of the AST's."""
        parts = [self._part(part, options) for part in glob.split("|")]
        return "|".join(part for part in parts if part)

    def _part(self, part, options):
        last = self.sites["norm2.*"].removesuffix(".*")
        if part == "*":
            return part
        if part == "norm":
            return None  # the norm of the last layer is one of the layers'
        if part.startswith("norm."):
            return f"{self.stack}.1.{last}{part[4:]}"
        part = part.replace("blocks", self.stack)
        for site, own in self.sites.items():
            if part.endswith(f"*.{site}"):
                letters = dict(options).get("parts", "qkv")
                return part[: -len(site)] + own.format(f"[{letters}]")
        return part


def _plain(wrapper):
    """For keys and values that are no parts of one projection."""
    options = dict(getattr(wrapper, "keywords", {}))
    options.pop("parts", None)
    if "targets" in options:
        options["targets"] = r".*(intermediate_dense|ff\.0|\.0)$"
    return partial(getattr(wrapper, "func", wrapper), **options)


def spectrograms(samples):
    """As many frames as fit into the longest clip."""
    return noise(len(samples), whole_frames(max(samples)), 128)


def whole_frames(samples):
    """Of Kaldi's filterbank."""
    return (samples - 400) // 160 + 1


def begun_frames(samples):
    """Of Whisper's."""
    return -(-samples // 160)


def log_mels(samples):
    """Whisper's."""
    return noise(len(samples), begun_frames(max(samples)), 80)


def of_family(family, samples):
    """A ViT's: frames begin before a clip, or are whole ones."""
    frames = frames_of_family(family, max(samples))
    return noise(len(samples), frames, FAMILIES[family].mels)


def frames_of_family(family, samples):
    """Of the front end of a ViT."""
    return (samples - FAMILIES[family].window) // 160 + 1


def waveforms(samples):
    """Waveforms, zero after their ends."""
    wavs = noise(len(samples), max(samples))
    ends = torch.tensor(samples).unsqueeze(1)
    return wavs * (torch.arange(wavs.shape[1]) < ends)


def beats(**options):
    """A tiny BEATs."""
    torch.manual_seed(0)
    return scrambled(BEATs((32, 2, 2), **options))


def stranger():
    """A stranger's encoder."""
    torch.manual_seed(0)
    return scrambled(Stranger())


LAYERS = "encoder.transformer.layers"
ENCODERS = {
    "wav2vec2": Encoder(ours, waveforms, LAYERS, SPEECH),
    "wav2vec2_large": Encoder(
        partial(ours, "wav2vec2_large_lv60k"), waveforms, LAYERS, SPEECH
    ),
    "wavlm": Encoder(partial(ours, "wavlm_base"), waveforms, LAYERS, SPEECH),
    "beats": Encoder(beats, spectrograms, LAYERS, SPEECH, whole_frames),
    "whisper": Encoder(whisper, log_mels, "blocks", {}, begun_frames),
    **{
        family: Encoder(
            partial(vit, family),
            partial(of_family, family),
            *("blocks", {}),
            partial(frames_of_family, family),
        )
        for family in FAMILIES
    },
    "stranger": Encoder(stranger, waveforms, "layers", STRANGER),
}
# the method files of each kind of encoder that the AST's do not say
OWN = {
    f"{name} ({kind})": path
    for kind in ("speech", "whisper", "vit")
    for name, path in distinct_methods(kind, besides="ast").items()
}
KINDS = {  # of others: "(speech)"
    **{"stranger": None, "whisper": "(whisper)"},
    **dict.fromkeys(FAMILIES, "(vit)"),
}


def methods_of(encoder):
    """Names of the methods that an encoder is tried with."""
    kind = KINDS.get(encoder, "(speech)")
    own = [name for name in OWN if kind and name.endswith(kind)]
    return [*METHODS, *(name for name in own if _has_grid(encoder, OWN[name]))]


def _has_grid(encoder, path):
    """Whether it has the rows of patches that a method file may ask for."""
    return encoder in GRIDS or "<encoder.rows>" not in petl_text(path)


def method_of(encoder, name):
    """What a method is on an encoder."""
    if name in OWN:
        return of_file(OWN[name], encoder)
    return ENCODERS[encoder].carried_over(METHODS[name])
