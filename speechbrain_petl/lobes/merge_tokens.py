"""Token merging for an AST that is there already."""

from speechbrain.nnet.adapters import replace_module

from ..adapters.probe import WeightedLayers
from ..errors import InputError
from .ast import AST
from .merging import MergingBlocks


def merge_tokens(encoder, ratio=0.5):
    """Let an AST that is there already merge tokens in evaluation.

    Arguments
    ---------
    encoder : torch.nn.Module
        An AST or an AdaptedEncoder of one, such as the "encoder" of the mods
        of an ``AudioClassifier``. Changed in place.
    ratio : float
        As of ``MergingBlocks``; 0 for none.

    Returns
    -------
    torch.nn.Module
        The encoder.

    Example
    -------
    >>> import torch
    >>> encoder = merge_tokens(AST((32, 3, 2), frames=100), ratio=0.5).eval()
    >>> encoder(torch.randn(3, 100, 128)).shape
    torch.Size([3, 110, 32])
    """
    if any(isinstance(m, WeightedLayers) for m in encoder.modules()):
        raise InputError("merge_tokens: WeightedLayers needs all tokens")
    ast = next((m for m in encoder.modules() if isinstance(m, AST)), None)
    if ast is None:
        raise InputError(
            f"merge_tokens: {type(encoder).__name__} is no AST and has no "
            "tokens to merge"
        )
    name, stack = "blocks", ast.blocks
    while hasattr(stack, "pretrained_module"):  # a prompt around it
        name, stack = f"{name}.pretrained_module", stack.pretrained_module
    merging = MergingBlocks(*stack, ratio=ratio).train(stack.training)
    replace_module(ast, name, merging)
    return encoder
