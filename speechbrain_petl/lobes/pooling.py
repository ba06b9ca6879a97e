"""From tokens to classes: which tokens make the embedding, and a head.

The five poolings are those of https://arxiv.org/abs/2312.03694.
"""

import warnings

from torch import nn

from ..errors import InputError, check_choice, check_count

OLD_MODES = {"speech": "patches", "prompts+speech": "prompts+patches"}
MODES = ("cls", "all", "prompts", "patches", "prompts+patches")


class Pooling(nn.Module):
    """The mean of the chosen tokens, (batch, token, dim) to (batch, dim).

    The class tokens come first, the prompts last, the patches between:
    ``cls`` averages the class tokens (the original AST), ``patches`` the
    patches, ``prompts`` the prompts, ``prompts+patches`` both, and ``all``
    whatever the encoder returns.

    Arguments
    ---------
    mode : str
        One of "cls", "all", "prompts", "patches", "prompts+patches".
    class_tokens : int
        Number of class tokens at the start; 2 for the AST.
    prompts : int
        Number of prompts that the encoder leaves at the end, as
        ``Prompt(..., keep=True)`` does.

    Example
    -------
    >>> import torch
    >>> Pooling("cls")(torch.randn(3, 110, 32)).shape
    torch.Size([3, 32])
    >>> Pooling("prompts", prompts=5)(torch.randn(3, 115, 32)).shape
    torch.Size([3, 32])
    """

    def __init__(self, mode="all", class_tokens=2, prompts=0):
        super().__init__()
        if mode in OLD_MODES:
            mode, old = OLD_MODES[mode], mode
            warnings.warn(
                f"Pooling: for mode={old!r} write {mode!r}",
                FutureWarning,
                stacklevel=2,
            )
        check_choice("Pooling: mode", mode, MODES)
        if "prompts" in mode and not prompts:
            raise InputError(
                f"Pooling: mode={mode!r} needs to know how many prompts the "
                "encoder leaves at the end: set prompts to the tokens of "
                "Prompt(tokens=..., keep=True)."
            )
        check_count(
            "Pooling: class_tokens",
            # where none comes first, the others are there all the same
            class_tokens if mode == "cls" else class_tokens or 1,
        )
        end = -prompts or None
        self.tokens = {
            "cls": slice(class_tokens),
            "all": slice(None),
            "prompts": slice(end, None),
            "patches": slice(class_tokens, end),
            "prompts+patches": slice(class_tokens, None),
        }[mode]

    def forward(self, tokens, samples=None):
        """Tokens (batch, token, dim) to an embedding per clip (batch, dim).

        ``samples`` are not used: see ``AST``.
        """
        return tokens[:, self.tokens].mean(dim=1)


class NormLinear(nn.Sequential):
    """LayerNorm and Linear, the head of https://arxiv.org/abs/2104.01778.

    Arguments
    ---------
    dim : int
        Width of the embedding.
    classes : int
        Number of outputs.
    epsilon : float
        Of the LayerNorm: PyTorch's, unlike the encoder's; Hugging Face's head
        has 1e-12.

    Example
    -------
    >>> import torch
    >>> NormLinear(32, 10)(torch.randn(3, 32)).shape
    torch.Size([3, 10])
    """

    def __init__(self, dim, classes, epsilon=1e-5):
        norm = nn.LayerNorm(dim, eps=epsilon)
        super().__init__(norm, nn.Linear(dim, classes))


def embedding_dim(encoder, pooling):
    """The width of what a pooling makes, which the classifier takes.

    Arguments
    ---------
    encoder : torch.nn.Module
        With a ``dim``.
    pooling : torch.nn.Module
        With a ``dim`` of its own, unless that is the encoder's.

    Returns
    -------
    int
        Of the embedding.

    Example
    -------
    >>> from speechbrain_petl import AST, BinaryPrototypes
    >>> encoder = AST((32, 2, 2), frames=64)
    >>> embedding_dim(encoder, Pooling())
    32
    >>> embedding_dim(encoder, BinaryPrototypes(encoder, 40))
    40
    """
    return getattr(pooling, "dim", encoder.dim)
