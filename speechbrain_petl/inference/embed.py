"""Waveforms to embeddings, as the recipes have it without augmentation."""


def embed(modules, wavs, wav_lens):
    """Embed a batch of clips.

    Arguments
    ---------
    modules : dict
        fbank, encoder and pooling.
    wavs : torch.Tensor
        Waveforms (batch, sample).
    wav_lens : torch.Tensor
        Length of each clip as a fraction of the longest (batch,).

    Returns
    -------
    torch.Tensor
        Embeddings (batch, dim).
    """
    samples = wav_lens * wavs.shape[1]
    features = modules["fbank"](wavs, wav_lens)
    tokens = modules["encoder"](features, samples)
    return modules["pooling"](tokens, samples)
