#!/usr/bin/env python3
"""Adapt a pretrained AST to tell which known recording a song samples.

> python train.py hparams/lora.yaml --data_folder=/path/to/samples
> torchrun --nproc_per_node=2 train.py hparams/lora.yaml --data_folder=...

Authors
 * the speechbrain_petl developers, 2026
"""

from functools import partial

from hyperpyyaml import load_hyperpyyaml
from prepare import prepare_sample_identification
from speechbrain_petl import (
    AdaptedEncoder,
    InputError,
    PETLBrain,
    create_experiment_directory,
    embedding_dim,
    load_pretrained,
    parse_recipe,
    run_main,
    windowed_datasets,
)
from speechbrain_petl.training.metrics.voting import PerFile, top

from speechbrain.utils.distributed import run_on_main


class SamplesBrain(PETLBrain):
    """Window -> log-mel -> adapted AST -> sample; the windows of a song vote."""

    scores_training = False  # all windows would be kept

    def compute_forward(self, batch, stage):
        """Class logits and the soft targets, both (batch, class)."""
        wavs, wav_lens = batch.to(self.device).sig
        samples = wav_lens * wavs.shape[1]
        targets = batch.soft_targets.data
        wavs, targets = self.modules.wave_augment(wavs, targets)
        features = self.modules.fbank(wavs, wav_lens)
        features, targets = self.modules.augment(features, targets)
        tokens = self.modules.encoder(features, samples)
        embeddings = self.modules.pooling(tokens, samples)
        return self.modules.classifier(embeddings), targets

    def compute_objectives(self, predictions, batch, stage):
        """The loss; counts the batch into the metrics."""
        logits, targets = predictions
        self.score(
            logits, batch.soft_targets.data, ids=batch.name, files=batch.file
        )
        return self.hparams.loss(logits, targets)


def dataio_prep(hparams):
    """split -> dataset of windows, and the label set of all splits."""
    return windowed_datasets(**hparams["dataio"])


def main(argv):
    """Prepare, adapt, select on validation, test once."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    closed = hparams["closed_set"]
    if closed and hparams["shots"] is not None:
        raise InputError(
            f"shots={hparams['shots']} leaves songs untrained, closed_set=True "
            "tests on the training songs: drop one"
        )
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    hparams["dataio"]["manifests"] = run_on_main(
        prepare_sample_identification, kwargs=hparams["prepare"]
    )
    datasets, labels = dataio_prep(hparams)
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    dim = embedding_dim(hparams["encoder"], hparams["pooling"])
    classifier = hparams["classifier"](dim, len(labels))
    brain = SamplesBrain(
        {**hparams["modules"], "encoder": encoder, "classifier": classifier},
        metrics={"top-1": PerFile(top), "top-5": PerFile(partial(top, k=5))},
        select="top-1",
        labels=labels,
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    return brain.train_and_test(
        hparams["epoch_counter"],
        datasets,
        hparams["loader"],
        result={
            **hparams["result"],
            "protocol": "closed-set" if closed else "held-out songs",
        },
        path=hparams["result_file"],
    )


if __name__ == "__main__":
    run_main(main)
