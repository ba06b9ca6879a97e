#!/usr/bin/env python3
"""ESC-50 with a defect of the papers' released code: what does it cost?

> python train.py hparams/bottleneck_positions.yaml --data_folder=/path/to/ESC-50-master

defects.py has the defects; all else is the recipe above, ../train.py.

Authors
 * the speechbrain_petl developers, 2026
"""

from defects import choose, refuse_unknown, spoil
from hyperpyyaml import load_hyperpyyaml
from prepare import prepare_esc50
from speechbrain_petl import (
    AdaptedEncoder,
    PETLBrain,
    classification_datasets,
    create_experiment_directory,
    embedding_dim,
    later,
    load_pretrained,
    parse_recipe,
    run_main,
)

from speechbrain.utils.distributed import run_on_main

ACCURACY = "torchmetrics.classification.MulticlassAccuracy"


class ESC50Brain(PETLBrain):
    """Waveform -> log-mel -> adapted AST -> pooled tokens -> class."""

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
        self.score(logits, batch.target, ids=batch.id)
        return self.hparams.loss(logits, targets)


def dataio_prep(hparams):
    """split -> dataset of clips, and the label set of all splits."""
    return classification_datasets(**hparams["dataio"])


def main(argv):
    """Prepare, adapt, select on validation, test once."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    defect = hparams["defect"]
    refuse_unknown(defect)
    hparams["dataio"]["manifests"] = run_on_main(
        prepare_esc50, kwargs=hparams["prepare"]
    )
    datasets, labels = dataio_prep(hparams)
    datasets = choose(defect, datasets)
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    spoil(defect, encoder)
    dim = embedding_dim(hparams["encoder"], hparams["pooling"])
    classifier = hparams["classifier"](dim, len(labels))
    brain = ESC50Brain(
        {**hparams["modules"], "encoder": encoder, "classifier": classifier},
        metrics={"accuracy": later(ACCURACY, len(labels), average="micro")},
        select=None if defect == "last" else "accuracy",
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
            "dataset": "ESC-10" if hparams["esc10"] else "ESC-50",
        },
        path=hparams["result_file"],
    )


if __name__ == "__main__":
    run_main(main)
