"""What of a model computes the same in every epoch, and what prevents it."""

from torch import nn

from speechbrain.dataio.dataset import DynamicItemDataset

from ...lobes.ast import AST
from ...lobes.clip_mean import ClipMean
from ...lobes.pooling import Pooling
from ...lobes.vit import ViT
from ...lobes.whisper import Whisper
from .probes import probe_of

LEVELS = ("features", "frozen")  # what can be cached: see cache/cached.py
ANY_LENGTH = (Whisper, ViT)  # encoders of clips of any length
# encoder -> poolings that are a mean of its tokens
MEANS = {AST: (Pooling,), Whisper: (ClipMean,), ViT: (ClipMean, Pooling)}
AUGMENTED = (
    "augment changes the spectrograms in each epoch; without it "
    "(--augment='!new:speechbrain_petl.Augment') it would be"
)
COMPUTED = 4  # raise it when the code computes other values than before


def obstacle_to(level, modules, datasets):
    """Why a level cannot be cached.

    Arguments
    ---------
    level : str
        "features" or "frozen".
    modules : torch.nn.ModuleDict
        "fbank", "wave_augment", "augment", "pooling" and "encoder".
    datasets : dict
        Split -> dataset.

    Returns
    -------
    str or None
        The reason, if there is one.
    """
    for data in datasets.values():
        if not isinstance(data, DynamicItemDataset):
            return f"{type(data).__name__} holds too many clips for it"
    if modules.wave_augment.steps:
        return "wave_augment changes the waveforms in each epoch"
    if level == "frozen" and probe_of(modules):
        return AUGMENTED if modules.augment.steps else None
    encoder = plain(modules.encoder)
    name = type(encoder).__name__
    means = next((m for e, m in MEANS.items() if isinstance(encoder, e)), ())
    if level == "features" and (not means or isinstance(encoder, ANY_LENGTH)):
        return f"{name} takes clips of any length"
    if not means:
        return f"something inside of {name} trains, or is hidden in training"
    if not isinstance(modules.pooling, means):
        names = " and no ".join(m.__name__ for m in means)
        return f"{type(modules.pooling).__name__} is no {names}"
    return None if level == "features" else _obstacle_to_tokens(modules)


def _obstacle_to_tokens(modules):
    encoder = plain(modules.encoder)
    if modules.augment.steps:
        return AUGMENTED
    if isinstance(encoder, ANY_LENGTH):
        blocks = frozen_blocks(modules.encoder)
        if all_frozen(modules, blocks):
            return None
        return (
            "the method trains or wraps something before the last LayerNorm, "
            f"where clips of {type(encoder).__name__} have any length"
        )
    if encoder.pos_drop.p or not isinstance(encoder.patch_drop, nn.Identity):
        return "dropout changes the tokens in each epoch"
    if not frozen_blocks(modules.encoder):
        return (
            "the method trains or wraps the first block, something below it, "
            "or the whole stack"
        )
    if not getattr(encoder.blocks, "keeps_tokens", True):
        return "tokens are merged in evaluation, but not in training"
    return None


def frozen_blocks(encoder):
    """How many of the first blocks of an AST, Whisper or ViT no training changes.

    Arguments
    ---------
    encoder : torch.nn.Module
        One of them, or an AdaptedEncoder of one.

    Returns
    -------
    int
        0 also where something below the blocks trains, or around them.

    Example
    -------
    >>> from speechbrain_petl import AdaptedEncoder
    >>> frozen_blocks(AdaptedEncoder(AST((32, 3, 2), 64, 64), train=["norm.*"]))
    3
    """
    ast = plain(encoder)
    if any(p.requires_grad for p in _below(ast).values()):
        return 0
    if not isinstance(ast.blocks, nn.Sequential):
        return 0
    for number, block in enumerate(ast.blocks):
        drops = (m.p for m in block.modules() if isinstance(m, nn.Dropout))
        if any(p.requires_grad for p in block.parameters()) or any(drops):
            return number
    return len(ast.blocks)


def all_frozen(modules, blocks):
    """Whether what is frozen ends in the mean of normalised tokens.

    Then nothing but the scale and the shift of the last LayerNorm is between
    the blocks and the mean, and it makes no difference which comes first.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        "encoder" and "pooling".
    blocks : int or None
        How many of the blocks are.

    Returns
    -------
    bool
        True for a linear probe.
    """
    ast = plain(modules.encoder)
    if not blocks or type(ast.norm) is not nn.LayerNorm:
        return False
    return blocks == len(ast.blocks)


def what_computes(modules, blocks):
    """All that what is cached depends on, but the clips.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        "fbank", "encoder" and "pooling".
    blocks : int or None
        How many blocks; None for features.

    Returns
    -------
    settings : dict
        What json can hold.
    state : dict
        Name -> tensor.
    """
    fbank = modules.fbank
    settings = {
        "computed": COMPUTED,
        "fbank": [type(fbank).__name__, sorted(_numbers_of(fbank).items())],
    }
    state = {f"fbank.{k}": v for k, v in fbank.named_buffers()}
    if blocks:
        ast = plain(modules.encoder)
        stack = ast.blocks[:blocks]
        heads = [block.attn.num_heads for block in stack]
        # a repr tells the modules and their sizes, but not the heads
        own = ("strides", "silence", "family")
        other = next(getattr(ast, name) for name in own if hasattr(ast, name))
        settings["encoder"] = [blocks, other, heads, repr(stack)]
        state |= _below(ast) | stack.state_dict(prefix="blocks.")
    if all_frozen(modules, blocks):
        tokens = getattr(modules.pooling, "tokens", None)
        settings["pooling"] = [repr(tokens), ast.norm.eps]
    return settings, state


def plain(encoder):
    """The encoder itself, if a method adapts it.

    Arguments
    ---------
    encoder : torch.nn.Module
        Any, or an AdaptedEncoder of one.

    Returns
    -------
    torch.nn.Module
        The encoder.
    """
    return getattr(encoder, "encoder", encoder)


def _below(ast):
    """Name -> parameter of what comes before the blocks."""
    return {
        name: parameter
        for name, parameter in ast.named_parameters()
        if not name.startswith(("blocks.", "norm."))
    }


def _numbers_of(module):
    """Name -> setting of a module, such as frames, mean and std."""
    return {
        name: value
        for name, value in vars(module).items()
        if name != "training" and isinstance(value, (int, float, str))
    }
