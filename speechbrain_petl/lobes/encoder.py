"""What an encoder must be, so that methods and recipes work with it.

The AST, wav2vec 2.0, HuBERT, WavLM, BEATs, Whisper and the ViTs here are
encoders, and so is any other module that keeps to the following.

- ``forward(features, samples=None)`` takes what the front end of the recipe
  yields (the key ``fbank``: spectrograms of ``Fbank``, ``LogMel`` and ``MelDB``,
  waveforms of ``Waveform``) and how many samples each clip has (batch,), and
  returns tokens (batch, token, dim). ``dim`` is an attribute. Front ends take
  SpeechBrain's ``wav_lens`` instead, each clip's share of the longest, 0 to 1.
- If clips may be padded: ``tokens_of(samples)`` says how many tokens are a
  clip's own, and ``ClipMean`` pools them. What the others hold does not
  matter, but nothing of it may reach a clip's own tokens. The layers run inside
  ``speechbrain_petl.adapters.masks.padding_mask(mask)``, so that blocks that mix
  tokens leave padding out. An attention asks ``mask_of(x)`` for its mask,
  prompts and prefixes included; or it gets one as an argument, of a last
  dimension that is the number of tokens, so that these can lengthen it.
- If something follows the stack of layers, or nothing does: ``finish(x)`` makes
  tokens of what the stack returns. A probe that reads all layers can then be
  trained on what is cached of them.
- Weights are loaded with ``load_pretrained(encoder, source)``; if the file has
  other names, ``translate(state, metadata)`` returns the encoder's own.

What can be wrapped are its submodules, by the names that ``print(encoder)``
shows. A site must be called, not read: a Linear for LoRA and the like; for
adapters, attention and feed-forward with (batch, token, dim) as the first
argument and as what is returned, or as its first element; for a prompt, a
layer or a stack of layers of that kind; for a prefix, an attention with
``qkv``, or with ``k_proj`` and ``v_proj``, as Linears.

A clip shall be encoded as if it was alone in its batch, also with any method
attached: ``tests/test_encoder_protocol.py`` has a stranger's encoder of 30
lines, and what it is tried on.
"""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Encoder(Protocol):
    """Features and samples to tokens; the least that every recipe asks for.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> isinstance(AST((32, 2, 2)), Encoder)
    True
    """

    dim: int

    def forward(self, features, samples=None):
        """Features (batch, ...) to tokens (batch, token, dim).

        ``samples`` (batch,) is None where no clip is padded.
        """
