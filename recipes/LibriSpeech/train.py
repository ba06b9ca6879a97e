#!/usr/bin/env python3
"""Adapt a pretrained encoder to speech recognition, with CTC on its tokens.

> python train.py hparams/whisper/lora.yaml --data_folder=/path/to/LibriSpeech
> torchrun --nproc_per_node=2 train.py hparams/wav2vec2/lora.yaml --data_folder=...

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
from speechbrain_petl.data.text import (
    BOS,
    EOS,
    add_token_sequences,
    plain_text,
    text_datasets,
    train_tokenizer,
)
from speechbrain_petl.data.text_lengths import tell_of_dense_texts
from speechbrain_petl.training.metrics.sequence_metrics import (
    text_metrics,
    until,
)
from speechbrain_petl.training.text_predictions import (
    TextPredictions,
    refuse_mixup,
)
from torch.nn.utils.rnn import pad_sequence

import speechbrain as sb
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.utils.distributed import run_on_main

BLANK = BOS  # no text holds it


class CTCBrain(PETLBrain):
    """Waveform -> features -> adapted encoder -> a sub-word or none per token."""

    scores_training = False  # nothing is decoded in training

    def __init__(self, modules, *, text_of, **kwargs):
        super().__init__(modules, **kwargs)
        self.text_of = text_of

    def new_predictions(self):
        """The test notes texts."""
        return TextPredictions(
            lambda row: self.text_of(until(EOS, row[None])[0])
        )

    def compute_forward(self, batch, stage):
        """Log probabilities (batch, token, vocabulary), each clip's share."""
        wavs, wav_lens = batch.to(self.device).sig
        wavs, wav_lens = self.modules.wave_augment(wavs, wav_lens)
        samples = wav_lens * wavs.shape[1]
        features = self.modules.fbank(wavs, wav_lens)
        features, wav_lens = self.modules.augment(features, wav_lens)
        tokens = self.modules.encoder(features, samples)
        log_probs = self.modules.classifier(tokens).log_softmax(dim=-1)
        counts = self.hparams.encoder.tokens_of(samples)
        return log_probs, (counts / tokens.shape[1]).clamp(max=1.0)

    def compute_objectives(self, predictions, batch, stage):
        """CTC; decodes greedily and counts the batch into the metrics."""
        log_probs, shares = predictions
        targets, tokens_lens = batch.tokens_eos
        if stage != sb.Stage.TRAIN:
            found = ctc_greedy_decode(log_probs, shares, blank_id=BLANK)
            emitted = [torch.tensor([*tokens, EOS]) for tokens in found]
            emitted = pad_sequence(emitted, batch_first=True)
            self.score(emitted, batch.text, ids=batch.id)
        tokens_lens = tokens_lens - 1 / targets.shape[1]  # without the end
        return self.hparams.ctc_cost(log_probs, targets, shares, tokens_lens)


def dataio_prep(hparams):
    """Clips with the sub-words of their texts; the tokenizer.

    It is trained on the training clips' texts alone.
    """
    datasets = text_datasets(**hparams["dataio"])
    texts = [entry["text"] for entry in datasets["train"].data.values()]
    tokenizer = train_tokenizer(
        texts, hparams["tokenizer_folder"], hparams["tokens"], hparams["unit"]
    )
    tokens_of = hparams["encoder"].tokens_of
    tell_of_dense_texts(datasets["train"], tokenizer, tokens_of)
    add_token_sequences(datasets, tokenizer, "text")
    return datasets, tokenizer


def main(argv):
    """Prepare, adapt, select on validation, test once."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    if "classifier" not in hparams:
        raise InputError(
            f"{argv[0]}: train.py takes those of hparams/whisper and "
            "hparams/wav2vec2"
        )
    refuse_mixup(hparams["modules"])
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    hparams["dataio"]["manifests"] = run_on_main(
        prepare_librispeech, kwargs=hparams["prepare"]
    )
    datasets, tokenizer = dataio_prep(hparams)
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    symbols = tokenizer.vocab_size()
    classifier = hparams["classifier"](hparams["encoder"].dim, symbols)

    def text_of(ids):
        """As it is compared."""
        return plain_text(tokenizer.decode_ids(ids))

    brain = CTCBrain(
        {**hparams["modules"], "encoder": encoder, "classifier": classifier},
        text_of=text_of,
        metrics=text_metrics(EOS, text_of),
        select="word_accuracy",
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    return brain.train_and_test(
        hparams["epoch_counter"],
        datasets,
        hparams["loader"],
        result=hparams["result"],
        path=hparams["result_file"],
    )


if __name__ == "__main__":
    run_main(main)
