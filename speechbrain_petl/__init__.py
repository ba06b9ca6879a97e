"""Parameter-efficient transfer learning of audio transformers."""

from .adapted import AdaptedEncoder, count_parameters
from .adapters.lora import LoRA
from .brain import PETLBrain
from .errors import InputError
from .lobes.ast import AST
from .lobes.augment import SpecAugment
from .lobes.fbank import Fbank
from .lobes.pooling import NormLinear, Pooling
from .lobes.weights import load_pretrained, save_pretrained
