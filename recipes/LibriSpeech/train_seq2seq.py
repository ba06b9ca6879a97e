#!/usr/bin/env python3
"""Adapt Whisper to speech recognition, encoder and decoder by name.

> python train_seq2seq.py hparams/seq2seq/lora.yaml --data_folder=/path/to/LibriSpeech
> python train_seq2seq.py hparams/seq2seq/lora.yaml --training=False ... # as it is

Authors
 * the speechbrain_petl developers, 2026
"""

import torch
from hyperpyyaml import load_hyperpyyaml
from prepare import prepare_librispeech
from speechbrain_petl import (
    AdaptedEncoder,
    InputError,
    PETLBrain,
    create_experiment_directory,
    load_pretrained,
    parse_recipe,
    run_main,
)
from speechbrain_petl.data.clip_rows import SPLITS
from speechbrain_petl.data.text import (
    BOS,
    EOS,
    add_token_sequences,
    plain_text,
    text_datasets,
    train_tokenizer,
)
from speechbrain_petl.data.text_lengths import refuse_long_texts
from speechbrain_petl.errors import check_count
from speechbrain_petl.lobes.causal import check_causal
from speechbrain_petl.lobes.whisper_decoder import POSITIONS
from speechbrain_petl.training.metrics.sequence_metrics import (
    text_metrics,
    until,
)
from speechbrain_petl.training.text_predictions import (
    TextPredictions,
    refuse_mixup,
)
from speechbrain_petl.weights.whisper_tokens import WhisperTokens
from torch.nn.utils.rnn import pad_sequence

import speechbrain as sb
from speechbrain.utils.distributed import run_on_main


class WhisperBrain(PETLBrain):
    """Waveform -> log-mel -> adapted encoder -> adapted decoder -> sub-words."""

    scores_training = False  # nothing is decoded in training

    def __init__(self, modules, *, searchers, text_of, end, **kwargs):
        super().__init__(modules, **kwargs)
        self.searchers = searchers  # stage -> SpeechBrain searcher
        self.text_of, self.end = text_of, end

    def new_predictions(self):
        """The test notes texts."""
        return TextPredictions(
            lambda row: self.text_of(until(self.end, row[None])[0])
        )

    def compute_forward(self, batch, stage):
        """Log probabilities (batch, token, vocabulary), emitted tokens if any.

        In training each token is predicted with the true ones before it given,
        in validation and test with the emitted ones.
        """
        wavs, wav_lens = batch.to(self.device).sig
        wavs, wav_lens = self.modules.wave_augment(wavs, wav_lens)
        samples = wav_lens * wavs.shape[1]
        features = self.modules.fbank(wavs, wav_lens)
        features, wav_lens = self.modules.augment(features, wav_lens)
        states = self.modules.encoder(features, samples)
        counts = self.hparams.encoder.tokens_of(samples)
        if self.hparams.silence:  # which was heard in the pretraining
            counts = torch.full_like(counts, states.shape[1])
        counts = counts.clamp(max=states.shape[1])
        tokens, lens = batch.tokens_bos
        lengths = (lens * tokens.shape[1]).round()
        scores = self.modules.decoder(tokens, states, counts, lengths)
        log_probs = scores.log_softmax(dim=-1)
        if stage == sb.Stage.TRAIN:
            return log_probs, None
        search = self.searchers[stage]
        # SpeechBrain truncates ratio times steps; the half keeps it whole
        search.max_decode_ratio = (self.hparams.longest + 0.5) / states.shape[1]
        found = search(states, counts / states.shape[1])[0]
        emitted = [torch.tensor([*tokens, self.end]) for tokens in found]
        return log_probs, pad_sequence(emitted, batch_first=True)

    def compute_objectives(self, predictions, batch, stage):
        """Negative log likelihood; counts the batch into the metrics."""
        log_probs, emitted = predictions
        targets, tokens_lens = batch.tokens_eos
        if emitted is not None:
            self.score(emitted, batch.text, ids=batch.id)
        return self.hparams.seq_cost(log_probs, targets, length=tokens_lens)

    def loss_items(self, batch):
        """The loss is a mean over tokens."""
        targets, tokens_lens = batch.tokens_eos
        return (tokens_lens * targets.shape[1]).round().sum()


def dataio_prep(hparams):
    """Clips with the sub-words of their texts; the tokenizer, its ends, its size.

    Weights have a vocabulary of their own. Without any, one is trained on the
    training clips' texts.
    """
    datasets = text_datasets(**hparams["dataio"])
    if hparams["source"]:
        tokenizer = WhisperTokens(hparams["source"], hparams["language"])
        prompt, end, symbols = (
            tokenizer.prompt,
            tokenizer.end,
            hparams["tokens"],
        )
    elif hparams["language"]:
        raise InputError(
            f"language={hparams['language']}: weights are told it, and there "
            "is no source"
        )
    else:
        texts = [entry["text"] for entry in datasets["train"].data.values()]
        tokenizer = train_tokenizer(
            texts, hparams["tokenizer_folder"], size=0, kind="char"
        )
        prompt, end, symbols = [BOS], EOS, tokenizer.vocab_size()
    add_token_sequences(datasets, tokenizer, "text", prompt[-1], end)
    return datasets, tokenizer, prompt, end, symbols


def main(argv):
    """Prepare, adapt, select on validation, test once."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    if "decoder" not in hparams:
        raise InputError(
            f"{argv[0]}: train_seq2seq.py takes those of hparams/seq2seq"
        )
    refuse_mixup(hparams["modules"])
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    # without weights, texts are learned for their tokenizer
    learns = hparams["training"] or not hparams["source"]
    splits = SPLITS if learns else ["test"]
    hparams["dataio"]["manifests"] = run_on_main(
        prepare_librispeech, kwargs={**hparams["prepare"], "splits": splits}
    )
    datasets, tokenizer, prompt, end, symbols = dataio_prep(hparams)
    room = POSITIONS - len(prompt)
    check_count("longest", hparams["longest"], room)
    refuse_long_texts(datasets, tokenizer, room)
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    decoder = hparams["decoder"](symbols=symbols, prompt=prompt)
    decoder = load_pretrained(decoder, hparams["source"])
    searchers = {
        sb.Stage.VALID: decoder.searcher(hparams["greedy"], end),
        sb.Stage.TEST: decoder.searcher(hparams["search"], end),
    }
    decoder = AdaptedEncoder(decoder, **hparams["decoder_petl"])
    check_causal(decoder)

    def text_of(ids):
        """As it is compared."""
        return plain_text(tokenizer.decode_ids(ids))

    brain = WhisperBrain(
        {**hparams["modules"], "encoder": encoder, "decoder": decoder},
        searchers=searchers,
        text_of=text_of,
        end=end,
        metrics=text_metrics(end, text_of),
        select="word_accuracy",
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    return brain.train_and_test(
        hparams["epoch_counter"] if hparams["training"] else None,
        datasets,
        hparams["loader"],
        result=hparams["result"],
        path=hparams["result_file"],
    )


if __name__ == "__main__":
    run_main(main)
