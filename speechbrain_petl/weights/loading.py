"""Pretrained weights for encoders: rename, check, resize, one strict load.

Published weights of the AST come from https://github.com/YuanGongND/ast and, converted,
from https://huggingface.co/MIT.
"""

from pathlib import Path

from safetensors.torch import save_file

from ..errors import InputError
from ..lobes.ast import AST
from ..lobes.beats import BEATs
from ..lobes.vit import ViT
from ..lobes.wav2vec2 import Wav2Vec2
from ..lobes.whisper import Whisper
from ..lobes.whisper_decoder import WhisperDecoder
from .ast_files import EPS, read_ast
from .bundles import is_bundle
from .checking import check_fit, check_values
from .convert import check_stated
from .convert_speech import from_beats, from_wav2vec2
from .convert_vit import from_vit
from .convert_whisper import from_whisper, from_whisper_decoder
from .fitting import STATED
from .positions import axes_of
from .prefixes import without_prefix, without_wrappers
from .sources import read_config, read_state

FORMAT = "speechbrain_petl"
WAV2VEC2 = ["feature_extractor.conv_layers.0.conv.weight"]
DECODER = ["embed_tokens.weight", "token_embedding.weight"]
VIT = [
    "student.encoder.patch_embed.proj.weight",  # BAT has a teacher, too
    *("patch_embed.proj.weight", "local_encoder.proj.weight"),
]
# class of an encoder -> (encoder, state, metadata) to a state of its names; names
# of a tensor that all of its models have; the name of the encoder in some of them
CONVERTERS = {
    # torchaudio keeps what stands for masked tokens beside the encoder
    Wav2Vec2: (from_wav2vec2, WAV2VEC2, "wav2vec2."),
    BEATs: (from_beats, ["patch_embedding.weight"], ""),
    Whisper: (from_whisper, ["conv1.weight"], ""),
    WhisperDecoder: (from_whisper_decoder, DECODER, "decoder."),
    ViT: (from_vit, VIT, "modality_encoders.IMAGE."),
}


def load_pretrained(encoder, source, revision=None):
    """Load pretrained weights into an encoder.

    The AST takes them at any input length and stride; a file that does not
    state its strides must have as many patches as one of the published
    AudioSet models, or as the encoder. Another encoder may translate names
    by a method of its own, see ``lobes.encoder``.

    Arguments
    ---------
    encoder : torch.nn.Module
        The encoder, changed in place. Load before a method is attached.
    source : str, os.PathLike or None
        Id of a Hugging Face repository, a folder, a file, or the name of a
        bundle of torchaudio. For the AST, one of Hugging Face, the official
        .pth, distilled DeiT weights of timm; for speech encoders, one of
        Hugging Face or torchaudio, the original BEATs; for all, one of their
        authors, or a file of `save_pretrained`. None or "" keeps the random weights.
    revision : str or None
        Branch, tag or commit of the repository.

    Returns
    -------
    torch.nn.Module
        The encoder.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import AST
    >>> size = (32, 1, 2)
    >>> path = getfixture("tmp_path") / "ast.safetensors"
    >>> _ = save_pretrained(AST(size, frames=100), path)
    >>> longer = load_pretrained(AST(size, frames=300), path)
    >>> longer(torch.randn(2, 300, 128)).shape
    torch.Size([2, 350, 32])
    """
    encoder.pretrained = bool(source)  # else its weights are nobody else's
    if not encoder.pretrained:
        return encoder
    if not isinstance(source, (str, Path)):
        raise InputError(f"source={source}: give a name, a file or a folder")
    if isinstance(encoder, AST):
        state = read_ast(source, revision).for_encoder(encoder)
    else:
        file, state, metadata = read_state(source, revision)
        beside = {} if is_bundle(source) else read_config(file)
        try:
            state = _converted(encoder, state, {**beside, **metadata})
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        check_fit(state, encoder, file)
    encoder.load_state_dict(state, strict=True)
    return encoder


def load_pretrained_head(classifier, source, revision=None, labels=()):
    """Load the head that a published AST was trained with.

    Arguments
    ---------
    classifier : speechbrain_petl.NormLinear
        Changed in place; on the mean of the two class tokens.
    source, revision
        As for ``load_pretrained``.
    labels : sequence of str
        Of the classifier's outputs, which may not be in another order there.

    Returns
    -------
    speechbrain_petl.NormLinear
        The classifier.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import AST, NormLinear
    >>> state = AST((32, 1, 2)).state_dict().items()
    >>> head = NormLinear(32, 5).state_dict().items()
    >>> path = getfixture("tmp_path") / "official.pth"
    >>> saved = {f"v.{k}": x for k, x in state}
    >>> torch.save({**saved, **{f"mlp_head.{k}": x for k, x in head}}, path)
    >>> load_pretrained_head(NormLinear(32, 5), path)[1].bias.shape
    torch.Size([5])
    """
    read = read_ast(source, revision)
    return put_head(classifier, read.head, read.labels, labels, read.file)


def put_head(classifier, head, names, labels, file):
    """Load a head that is there, if it is for these classes.

    Arguments
    ---------
    classifier : torch.nn.Module
        Changed in place.
    head : dict
        Its state.
    names, labels : sequence of str
        Of the outputs of the head, and of those of the classifier.
    file : str or os.PathLike
        Where the head comes from, for the error message.

    Returns
    -------
    torch.nn.Module
        The classifier.
    """
    own = {k: tuple(v.shape) for k, v in classifier.state_dict().items()}
    found = {k: tuple(v.shape) for k, v in head.items()}
    if own != found:
        raise InputError(
            f"{file} has the head {found or None}, and the classifier is "
            f"{own}: take NormLinear, pooling: mode: cls, and its data set"
        )
    moved = [a for a, b in zip(names, labels) if a != b]
    if moved and sorted(names) == sorted(labels):
        raise InputError(
            f"{file} has the classes of the data in another order, such as "
            f"{moved[0]!r}: bring its head and its id2label into theirs"
        )
    check_values(head, file, classifier.state_dict())
    classifier.load_state_dict(head)
    return classifier


def _converted(encoder, state, metadata):
    """With the encoder's names, by its own method or by the table."""
    if metadata.get("format") == FORMAT:  # of ``save_pretrained``
        remedy = "set `encoder_size` to [dim, depth, heads] of the file"
        check_stated(metadata, _heads_of(encoder), remedy)
    if hasattr(encoder, "translate"):
        return encoder.translate(without_wrappers(state), metadata)
    for kind, (convert, anchors, inner) in CONVERTERS.items():
        if isinstance(encoder, kind):
            state = without_prefix(state, anchors, inner)
            return convert(encoder, state, metadata)
    return without_wrappers(state)


def _heads_of(encoder):
    """The number of heads, as a file states it: no shape tells it."""
    for module in encoder.modules():
        if isinstance(getattr(module, "num_heads", None), int):
            return {"heads": str(module.num_heads)}
    return {}


def save_pretrained(encoder, path):
    """Write an encoder to one file; an AST with the input it was built for.

    Arguments
    ---------
    encoder : torch.nn.Module
        The encoder.
    path : str or os.PathLike
        The file; its name ends in .safetensors.

    Returns
    -------
    pathlib.Path
        The file.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> encoder = AST((32, 1, 2), frames=64)
    >>> path = getfixture("tmp_path") / "ast.safetensors"
    >>> file, state, metadata = read_state(save_pretrained(encoder, path))
    >>> state["pos_embed"].shape
    torch.Size([1, 62, 32])
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(
            f"weights cannot be saved as {path}: the name must end in "
            ".safetensors, which keeps the strides beside the weights"
        )
    metadata = {"format": FORMAT, **_heads_of(encoder)}
    if isinstance(encoder, AST):
        (mels, fstride), (frames, tstride) = axes_of(encoder)
        stated = zip(STATED["ours"], (mels, fstride, frames, tstride))
        metadata |= {k: str(v) for k, v in stated}
        metadata[EPS] = str(encoder.norm.eps)
    state = {k: v.contiguous() for k, v in encoder.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata)
    return path
