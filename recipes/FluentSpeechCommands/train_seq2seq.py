#!/usr/bin/env python3
"""Adapt a pretrained AST to spoken commands: the intent is spelled out.

A decoder attends to the adapted AST's tokens and emits the sub-words of
"activate | lights | kitchen": the encoder is not only for classification.

> python train_seq2seq.py hparams/seq2seq/lora.yaml --data_folder=...

Authors
 * the speechbrain_petl developers, 2026
"""

import torch
from hyperpyyaml import load_hyperpyyaml
from prepare import prepare_fluent_speech_commands
from speechbrain_petl import (
    AdaptedEncoder,
    InputError,
    PETLBrain,
    classification_datasets,
    create_experiment_directory,
    load_pretrained,
    parse_recipe,
    run_main,
)
from speechbrain_petl.adapters.masks import token_mask
from speechbrain_petl.data.text import (
    BOS,
    EOS,
    add_token_sequences,
    train_tokenizer,
)
from speechbrain_petl.training.metrics.sequence_metrics import (
    ExactMatch,
    TokenErrorRate,
    until,
)
from speechbrain_petl.training.text_predictions import (
    TextPredictions,
    refuse_mixup,
)
from torch.nn.utils.rnn import pad_sequence

import speechbrain as sb
from speechbrain.utils.distributed import run_on_main


class SemanticsBrain(PETLBrain):
    """Waveform -> log-mel -> adapted AST -> time steps -> sub-words."""

    def __init__(self, modules, *, searchers, decode, **kwargs):
        super().__init__(modules, **kwargs)
        self.searchers = searchers  # stage -> SpeechBrain searcher
        self.decode = decode

    def new_predictions(self):
        """The test notes texts."""
        return TextPredictions(self.decode)

    def compute_forward(self, batch, stage):
        """Log probabilities (batch, token, vocabulary) and emitted tokens.

        In training each token is chosen with the true ones before it given,
        in validation and test with the emitted ones.
        """
        wavs, wav_lens = batch.to(self.device).sig
        wavs, wav_lens = self.modules.wave_augment(wavs, wav_lens)
        samples = wav_lens * wavs.shape[1]
        features = self.modules.fbank(wavs, wav_lens)
        features, wav_lens = self.modules.augment(features, wav_lens)
        states = self.modules.pooling(self.modules.encoder(features, samples))
        wav_lens = self.modules.pooling.wav_lens(
            samples / self.modules.fbank.samples
        )
        tokens = batch.tokens_bos.data
        log_probs = self.modules.decoder(tokens, states, wav_lens)
        if stage == sb.Stage.TRAIN:
            mask = token_mask(self.tokens_in(batch), tokens.shape[1])
            emitted = log_probs.argmax(dim=-1).masked_fill(~mask, EOS)
            return log_probs, torch.nn.functional.pad(
                emitted, (0, 1), value=EOS
            )
        found = self.searchers[stage](states, wav_lens)[0]
        emitted = [torch.tensor([*tokens, EOS]) for tokens in found]
        return log_probs, pad_sequence(emitted, batch_first=True)

    def compute_objectives(self, predictions, batch, stage):
        """Negative log likelihood; counts the batch into the metrics."""
        log_probs, emitted = predictions
        targets, tokens_lens = batch.tokens_eos
        self.score(emitted, targets, ids=batch.id)
        return self.hparams.seq_cost(log_probs, targets, length=tokens_lens)

    def loss_items(self, batch):
        """The loss is a mean over tokens."""
        return self.tokens_in(batch).sum()

    def tokens_in(self, batch):
        """Sub-words of each clip, with the end of the sequence (batch,)."""
        targets, tokens_lens = batch.tokens_eos
        return (tokens_lens * targets.shape[1]).round()


def dataio_prep(hparams):
    """Clips with the sub-words of their intents; tokenizer, longest sequence.

    The tokenizer is trained on the training clips' intents alone.
    """
    datasets, _ = classification_datasets(**hparams["dataio"])
    texts = [entry["label"] for entry in datasets["train"].data.values()]
    tokenizer = train_tokenizer(
        texts, hparams["tokenizer_folder"], hparams["tokens"], hparams["unit"]
    )
    add_token_sequences(datasets, tokenizer)
    longest = max(len(tokenizer.encode_as_ids(text)) for text in set(texts))
    return datasets, tokenizer, longest + 1  # and the end of the sequence


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

    hparams["dataio"]["manifests"] = run_on_main(
        prepare_fluent_speech_commands, kwargs=hparams["prepare"]
    )
    datasets, tokenizer, longest = dataio_prep(hparams)
    ast = hparams["encoder"]
    encoder = load_pretrained(ast, hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    decoder = hparams["decoder"](ast.dim, tokenizer.vocab_size())
    ends = BOS, EOS, longest, ast.grid[1]
    brain = SemanticsBrain(
        {**hparams["modules"], "encoder": encoder, "decoder": decoder},
        searchers={
            sb.Stage.VALID: decoder.searcher(hparams["greedy"], *ends),
            sb.Stage.TEST: decoder.searcher(hparams["beam"], *ends),
        },
        decode=lambda row: tokenizer.decode_ids(until(EOS, row[None])[0]),
        metrics={
            "accuracy": ExactMatch(EOS, tokenizer.decode_ids),
            "token_error": TokenErrorRate(EOS),
        },
        select="accuracy",
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
