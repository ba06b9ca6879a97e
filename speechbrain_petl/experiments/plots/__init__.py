"""Pictures of results; each function writes one png file."""

from .confusion import draw_confusion
from .curves import draw_curves, draw_shots
from .embeddings import draw_embeddings
from .encoders import draw_encoders
from .tradeoff import draw_tradeoff
