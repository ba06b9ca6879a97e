"""Parameter-efficient transfer learning of audio transformers."""

from .adapted import AdaptedEncoder, count_parameters
from .adapters.lora import LoRA
from .errors import InputError
from .lobes.ast import AST

__all__ = ["AST", "AdaptedEncoder", "InputError", "LoRA", "count_parameters"]
