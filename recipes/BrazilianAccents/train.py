#!/usr/bin/env python3
"""Adapt a pretrained AST to accents of Brazilian Portuguese.

> python train.py hparams/lora.yaml --data_folder=/path/to/accents
> torchrun --nproc_per_node=2 train.py hparams/lora.yaml --data_folder=...

Authors
 * the speechbrain_petl developers, 2026
"""

from hyperpyyaml import load_hyperpyyaml
from prepare import prepare_brazilian_accents
from speechbrain_petl import (
    AdaptedEncoder,
    PETLBrain,
    class_weights,
    create_experiment_directory,
    embedding_dim,
    load_pretrained,
    parse_recipe,
    run_main,
    windowed_datasets,
)
from speechbrain_petl.experiments.plots import draw_confusion
from speechbrain_petl.training.losses import weighed
from speechbrain_petl.training.metrics.voting import PerFile, macro_f1, top, uar
from speechbrain_petl.training.predictions import predictions_beside

import speechbrain as sb
from speechbrain.utils.distributed import run_on_main


class AccentsBrain(PETLBrain):
    """Window -> log-mel -> adapted AST -> class; the windows of a file vote."""

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
        """Cross entropy, weighted in training; counts the batch into the metrics."""
        logits, targets = predictions
        self.score(
            logits, batch.soft_targets.data, ids=batch.name, files=batch.file
        )
        training = stage == sb.Stage.TRAIN  # the others count clips
        weights = self.class_weights if training else None
        return weighed(self.hparams.loss, logits, targets, weights)


def dataio_prep(hparams):
    """split -> dataset of windows, and the label set of all splits."""
    return windowed_datasets(**hparams["dataio"])


def main(argv):
    """Prepare, adapt, select on validation, test once."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    hparams["dataio"]["manifests"] = run_on_main(
        prepare_brazilian_accents, kwargs=hparams["prepare"]
    )
    datasets, labels = dataio_prep(hparams)
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    dim = embedding_dim(hparams["encoder"], hparams["pooling"])
    classifier = hparams["classifier"](dim, len(labels))
    brain = AccentsBrain(
        {**hparams["modules"], "encoder": encoder, "classifier": classifier},
        metrics={
            "accuracy": PerFile(top),
            "macro-F1": PerFile(macro_f1),
            "UAR": PerFile(uar),
        },
        select="macro-F1",
        labels=labels,
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    if hparams["balance"]:
        weights = class_weights(datasets["train"], labels)
        brain.class_weights = weights.to(brain.device)
    result = brain.train_and_test(
        hparams["epoch_counter"],
        datasets,
        hparams["loader"],
        result=hparams["result"],
        path=hparams["result_file"],
    )
    predictions = predictions_beside(hparams["result_file"])
    run_on_main(draw_confusion, args=[predictions, hparams["confusion_file"]])
    return result


if __name__ == "__main__":
    run_main(main)
