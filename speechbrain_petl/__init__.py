"""Parameter-efficient transfer learning of audio transformers: public names.

Each is imported from its module when it is first used (PEP 562), so that
``import speechbrain_petl`` costs nothing but what is used.
"""

import importlib

_MODULES = {  # module -> the public names that are defined there
    "adapters.adapted": "AdaptedEncoder count_parameters",
    "adapters.adapter": "Adapter",
    "adapters.blocks": "Bottleneck",
    "adapters.convolution": "ConformerConvolution Convpass",
    "adapters.dora": "DoRA",
    "adapters.eva": "eva_start",
    "adapters.fusion": "AdapterFusion",
    "adapters.ia3": "IA3",
    "adapters.look_aside": "LookAside",
    "adapters.lora": "LoRA",
    "adapters.lora_fa": "LoRAFA",
    "adapters.mamba": "MambaBottleneck",
    "adapters.mixer": "Shared TokenMixer",
    "adapters.moa": "DenseMoA SoftMoA",
    "adapters.peft_bridge": "PEFT",
    "adapters.prefix": "Prefix",
    "adapters.probe": "WeightedLayers",
    "adapters.prompt": "Prompt",
    "adapters.ssf": "SSF",
    "adapters.vera": "VeRA",
    "data.batches": "dynamic_batches",
    "data.dataio": "classification_datasets",
    "data.windows": "class_weights windowed_datasets",
    "errors": "InputError",
    "inference.adapter_set": "AdapterSet",
    "inference.classifier": "AudioClassifier",
    "inference.pretrained": "load_pretrained load_pretrained_head",
    "lobes.ast": "AST",
    "lobes.attentive": "AttentivePooling",
    "lobes.augment": (
        "Augment Mixup RandomGain SpecAugment SpectrogramNoise TimeShift"
    ),
    "lobes.beats": "BEATs",
    "lobes.clip_mean": "ClipMean",
    "lobes.fbank": "Fbank",
    "lobes.log_mel": "LogMel",
    "lobes.mel_db": "MelDB",
    "lobes.pooling": "NormLinear Pooling embedding_dim",
    "lobes.prototypes": "BinaryPrototypes Prototypes",
    "lobes.sequence": "SequenceDecoder TimeSteps",
    "lobes.vit": "ViT",
    "lobes.wav2vec2": "Wav2Vec2",
    "lobes.waveform": "Waveform",
    "lobes.whisper": "Whisper",
    "lobes.whisper_decoder": "WhisperDecoder",
    "recipe.experiment": "create_experiment_directory",
    "recipe.main": "run_main",
    "recipe.parsing": "parse_recipe",
    "training.brain": "PETLBrain",
    "training.foreign_schedules": "PerEpoch SpeechBrainSchedule",
    "training.loggers": "TrainLog",
    "training.losses": "binary_cross_entropy weighted_cross_entropy",
    "training.metrics.of_stages": "later",
    "training.schedules": "cosine warmup_multistep",
    "weights.loading": "save_pretrained",
}
_HOMES = {
    name: f"{__name__}.{module}"
    for module, names in _MODULES.items()
    for name in names.split()
}


def __getattr__(name):
    """The public name, from where it is defined."""
    if name not in _HOMES:
        from .recipe.moved import old_module

        return old_module(name)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__():
    """All names, those that have not been used yet included."""
    return sorted(globals().keys() | _HOMES)
