"""Whether a method leaves a decoder blind to what it shall emit."""

import torch

from ..errors import InputError


def check_causal(decoder):
    """Refuse a method by which symbols see those that follow them.

    Training would look perfect, and decoding fail. Tried with what trains
    drawn by chance, as most methods add nothing at the start.

    Arguments
    ---------
    decoder : speechbrain_petl.AdaptedEncoder
        Of a WhisperDecoder.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_petl import (
    ...     AdaptedEncoder,
    ...     Adapter,
    ...     Convpass,
    ...     WhisperDecoder,
    ... )
    >>> block = partial(Adapter, block=partial(Convpass, width=4))
    >>> decoder = WhisperDecoder((32, 1, 2), symbols=60)
    >>> check_causal(AdaptedEncoder(decoder, {"blocks.*.mlp": block}))
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: decoder_petl: wrap: of blocks.0.mlp, ...
    """
    if not decoder.sites:
        return
    own, was = decoder.encoder, decoder.training
    trained = [p for p in decoder.parameters() if p.requires_grad]
    kept = [p.detach().clone() for p in trained]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for p in trained:
            p.add_(torch.randn_like(p) / own.dim**0.5)
        symbols = torch.full((1, 6), own.prompt[-1])
        others = symbols.clone()
        others[:, -1] = int(symbols[0, 0] == 0)
        states = torch.randn(1, 4, own.dim)
        decoder.eval()
        one, other = (decoder(s, states)[:, :-1] for s in (symbols, others))
        for p, value in zip(trained, kept):
            p.copy_(value)
    decoder.train(was)
    if not torch.allclose(one, other, rtol=1e-3, atol=1e-3 * one.abs().max()):
        raise InputError(
            f"decoder_petl: wrap: of {', '.join(decoder.sites[:3])}, ... one "
            "mixes what follows a symbol into it, which decoding has not: "
            "take LoRA, Bottleneck, Prompt or Prefix there, and convolutions "
            "and mixtures of tokens in petl, of the encoder"
        )
