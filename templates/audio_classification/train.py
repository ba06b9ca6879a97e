#!/usr/bin/env python3
"""Adapt an AST to own labelled sounds, as they are laid out; or copy me.

> python train.py hparams/lora.yaml --data_folder=/my/sounds
> torchrun --nproc_per_node=2 train.py hparams/lora.yaml --data_folder=...

Without a data_folder it shows what PETL is for, offline: see demonstration.py.

Authors
 * the speechbrain_petl developers, 2026
"""

import os

from demonstration import demonstrate
from hyperpyyaml import load_hyperpyyaml
from speechbrain_petl import (
    AdaptedEncoder,
    InputError,
    PETLBrain,
    class_weights,
    create_experiment_directory,
    embedding_dim,
    load_pretrained,
    parse_recipe,
    run_main,
    windowed_datasets,
)
from speechbrain_petl.data.labelled import prepare_labelled
from speechbrain_petl.data.windows import clip_weights
from speechbrain_petl.recipe.parsing import check_recipe
from speechbrain_petl.training.losses import weighed
from speechbrain_petl.training.metrics.tags_of_files import (
    mean_average_precision,
)
from speechbrain_petl.training.metrics.voting import PerFile, top, uar
from speechbrain_petl.weights.sources import looks_like_path

import speechbrain as sb
from speechbrain.dataio.sampler import ReproducibleWeightedRandomSampler
from speechbrain.utils.distributed import run_on_main

SOURCES = (
    "`python train.py hparams/lora.yaml` makes a small one, "
    "results/source_model.safetensors, in two minutes; a large one is "
    "--source=MIT/ast-finetuned-audioset-10-10-0.4593 --ast_size=base384 "
    "--mels=128 --frames=500; --source=null starts from random weights"
)
BALANCES = (None, "sampling", "weights")


class SoundBrain(PETLBrain):
    """Window -> log-mel -> adapted AST -> class; the windows of a clip vote."""

    scores_training = False  # all windows would be kept
    clip_weights = None

    def compute_forward(self, batch, stage):
        """Logits and the soft targets, both (batch, class)."""
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
        """The loss, weighted in training; counts the batch into the metrics."""
        logits, targets = predictions
        self.score(
            logits, batch.soft_targets.data, ids=batch.name, files=batch.file
        )
        weights = self.class_weights if stage == sb.Stage.TRAIN else None
        return weighed(self.hparams.loss, logits, targets, weights)

    def make_sampler(self, dataset, seed):
        """Windows drawn so that the classes are balanced, or all in turn."""
        if self.clip_weights is None:
            return super().make_sampler(dataset, seed)
        return ReproducibleWeightedRandomSampler(
            self.clip_weights, len(dataset), replacement=True, seed=seed
        )


def dataio_prep(hparams):
    """split -> dataset of windows, and the label set of all splits."""
    return windowed_datasets(**hparams["dataio"])


def check_options(source, balance, tagging):
    """Refuse what cannot work, before thousands of files are read."""
    if source and looks_like_path(source) and not os.path.exists(source):
        raise InputError(f"source={source}, to adapt, is not there: {SOURCES}")
    if balance not in ([None, "sampling"] if tagging else BALANCES):
        raise InputError(
            f"balance={balance}: give null, sampling"
            + ("" if tagging else " or weights")
        )


def metrics_of(tagging):
    """Name -> metric over clips; the first picks the epoch."""
    if tagging:
        return {"mAP": PerFile(mean_average_precision, "sigmoid")}
    return {"accuracy": PerFile(top), "UAR": PerFile(uar)}


def balance(brain, data, labels, how):
    """Make classes of unequal size count alike, in the loss or by drawing."""
    weights = class_weights(data, labels)
    if how == "weights":
        brain.class_weights = weights.to(brain.device)
    elif how == "sampling":
        brain.clip_weights = clip_weights(data, labels, weights)


def adapt(argv):
    """Prepare, adapt, select on validation, test once: (result, encoder)."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    tagging = hparams["tagging"]
    check_options(hparams["source"], hparams["balance"], tagging)
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    hparams["dataio"]["manifests"] = run_on_main(
        prepare_labelled, kwargs=hparams["prepare"]
    )
    datasets, labels = dataio_prep(hparams)
    adapted = AdaptedEncoder(encoder, **hparams["petl"])
    dim = embedding_dim(encoder, hparams["pooling"])
    classifier = hparams["classifier"](dim, len(labels))
    metrics = metrics_of(tagging)
    brain = SoundBrain(
        {**hparams["modules"], "encoder": adapted, "classifier": classifier},
        metrics=metrics,
        select=next(iter(metrics)),
        labels=labels,
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    brain.activation = "sigmoid" if tagging else "softmax"
    balance(brain, datasets["train"], labels, hparams["balance"])
    result = brain.train_and_test(
        hparams["epoch_counter"],
        datasets,
        hparams["loader"],
        result=hparams["result"],
        path=hparams["result_file"],
    )
    return result, encoder


def main(argv):
    """Adapt to own sounds; without any, the demonstration."""
    if check_recipe(argv)[-1]["data_folder"] is None:
        return demonstrate(argv, adapt)
    return adapt(argv)[0]


if __name__ == "__main__":
    run_main(main)
