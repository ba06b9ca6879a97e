"""Parameter-efficient transfer learning of audio transformers."""

from .adapters.adapted import AdaptedEncoder, count_parameters
from .adapters.adapter import Adapter
from .adapters.blocks import Bottleneck
from .adapters.convolution import Conformer, Convpass
from .adapters.dora import DoRA
from .adapters.ia3 import IA3
from .adapters.lora import LoRA
from .adapters.mixer import Shared, TokenMixer
from .adapters.moa import DenseMoA, SoftMoA
from .adapters.peft_bridge import PEFT
from .adapters.prefix import Prefix
from .adapters.probe import WeightedLayers
from .adapters.prompt import Prompt
from .adapters.ssf import SSF
from .errors import InputError
from .inference.adapter_set import AdapterSet
from .inference.classifier import AudioClassifier
from .lobes.ast import AST
from .lobes.augment import Augment, Mixup, RandomGain, SpecAugment, TimeShift
from .lobes.beats import BEATs
from .lobes.clip_mean import ClipMean
from .lobes.fbank import Fbank
from .lobes.pooling import NormLinear, Pooling
from .lobes.wav2vec2 import Wav2Vec2
from .lobes.waveform import Waveform
from .training.brain import PETLBrain
from .weights.loading import load_pretrained, save_pretrained
