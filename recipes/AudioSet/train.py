#!/usr/bin/env python3
"""Adapt a pretrained AST to AudioSet by training well under 1 % of it.

> python train.py hparams/lora.yaml --data_folder=/path/to/audioset
> torchrun --nproc_per_node=2 train.py hparams/lora.yaml --data_folder=...

data_folder: the official csv files and the clips, or what pack.py made of them.

Authors
 * the speechbrain_petl developers, 2026
"""

import os

import numpy as np
import pandas
from hyperpyyaml import load_hyperpyyaml
from pack import is_packed, split_shards
from prepare import prepare_audioset
from segments import read_classes
from speechbrain_petl import (
    AdaptedEncoder,
    InputError,
    PETLBrain,
    create_experiment_directory,
    embedding_dim,
    load_pretrained,
    load_pretrained_head,
    parse_recipe,
    run_main,
)
from speechbrain_petl.data.clips import ClipDataset, refuse_other_clips
from speechbrain_petl.data.manifests import write_labels
from speechbrain_petl.data.stream import ShardPass, TrainStream
from speechbrain_petl.errors import check_choice
from speechbrain_petl.training.metrics.tagging import (
    DPrime,
    MeanAUC,
    MeanAveragePrecision,
)

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.dataio.sampler import ReproducibleWeightedRandomSampler
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

METRICS = {"mAP": MeanAveragePrecision, "AUC": MeanAUC, "d_prime": DPrime}
NEAR = 0.005  # clips that are gone from YouTube move the third digit


class AudioSetBrain(PETLBrain):
    """Waveform -> log-mel -> adapted AST -> pooled tokens -> tags."""

    scores_training = False  # two million clips are many
    activation = "sigmoid"

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
        """The loss; counts a batch of evaluation into the metrics."""
        logits, targets = predictions
        self.score(logits, targets, ids=batch.id)
        return self.hparams.loss(logits, targets)

    def make_sampler(self, dataset, seed):
        """Clips drawn so that the classes are balanced, see README.md."""
        if not self.hparams.balance:
            return super().make_sampler(dataset, seed)
        clips = self.hparams.clips_per_epoch or len(dataset)
        return ReproducibleWeightedRandomSampler(
            dataset.weights(), clips, replacement=True, seed=seed
        )


def dataio_prep(hparams):
    """split -> data set, from a folder of clips or from packed shards."""
    for key in ("average", "batch_size", "clips_per_epoch", "shuffle_buffer"):
        value = 1 if hparams[key] is None else hparams[key]
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{key}={value}: give a whole number, 1 or more")
    for name, value in hparams["expected"].items():
        check_choice("expected", name, METRICS)
        if not isinstance(value, (int, float)):
            raise InputError(f"expected: {name}={value}: give a number")
    classes = read_classes(hparams["data_folder"])
    if is_packed(hparams["data_folder"]):
        datasets, counts = shard_datasets(hparams, classes)
        counted = {k: data.shards for k, data in datasets.items()}
        clips = {k: numbered(v) for k, v in {**counted, "": counts}.items()}
    else:
        tables = run_on_main(prepare_audioset, kwargs=hparams["prepare"])
        samples = hparams["fbank"].samples
        datasets = {
            split: ClipDataset(path, len(classes), samples)
            for split, path in tables.items()
        }
        clips = {
            split: (data.table["file"], data.table["labels"])
            for split, data in datasets.items()
        }
    run_on_main(refuse_other_clips, [hparams["save_folder"], clips])
    labels = CategoricalEncoder()
    labels.update_from_iterable(classes.values())
    labels.expect_len(len(classes))
    run_on_main(write_labels, [hparams["labels_file"], labels])
    return datasets, labels


def shard_datasets(hparams, classes):
    """split -> stream of batches, from what pack.py has made; labels' counts."""
    splits, counts = split_shards(
        hparams["data_folder"], hparams["train_set"], hparams["valid_clips"]
    )
    common = {
        "classes": list(classes),
        "samples": hparams["fbank"].samples,
        "batch_size": hparams["batch_size"],
    }
    datasets = {k: ShardPass(v, **common) for k, v in splits.items()}
    if "train" in splits:
        datasets["train"] = TrainStream(
            splits["train"],
            counts=counts if hparams["balance"] else None,
            clips_per_epoch=hparams["clips_per_epoch"],
            buffer=hparams["shuffle_buffer"],
            seed=hparams["seed"],
            **common,
        )
    return datasets, counts


def numbered(counts):
    """Shards, or labels, and how many clips each has: what they are told by."""
    names = [name.split("/")[-2:] for name in sorted(counts)]
    numbers = [counts[name] for name in sorted(counts)]
    return np.array(["-".join(n) for n in names], dtype="S"), np.array(numbers)


def main(argv):
    """Prepare, adapt, choose checkpoints on validation, test their average."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    datasets, labels = dataio_prep(hparams)
    packed = is_packed(hparams["data_folder"])
    batches = {"batch_size": None} if packed else {"collate_fn": PaddedBatch}
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    dim = embedding_dim(hparams["encoder"], hparams["pooling"])
    classifier = hparams["classifier"](dim, len(labels))
    if hparams["pretrained_head"] and hparams["source"]:
        names = [labels.ind2lab[i] for i in range(len(labels))]
        load_pretrained_head(classifier, hparams["source"], labels=names)
    brain = AudioSetBrain(
        {**hparams["modules"], "encoder": encoder, "classifier": classifier},
        metrics={name: new(len(labels)) for name, new in METRICS.items()},
        select="mAP",
        labels=labels,
        average=hparams["average"],
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    result = brain.train_and_test(
        hparams["epoch_counter"] if hparams["training"] else None,
        datasets,
        {**hparams["loader"], **batches},
        result={
            **hparams["result"],
            "clips": {k: data.clips for k, data in datasets.items()},
        },
        path=hparams["result_file"],
    )
    run_on_main(write_classes, [brain, labels, hparams["classes_file"]])
    say_if_met(result["metrics"], hparams["expected"])
    return result


def write_classes(brain, labels, path):
    """A csv of how well each class is told."""
    table = {"class": [labels.ind2lab[i] for i in range(len(labels))]}
    for name in ("mAP", "AUC"):
        values = brain.metrics[name].of_classes.tolist()
        table[name.removeprefix("m")] = values
    pandas.DataFrame(table).to_csv(f"{path}.part", index=False)
    os.replace(f"{path}.part", path)


def say_if_met(metrics, expected):
    """Whether a test came near to what is published."""
    for name, value in expected.items():
        met = abs(metrics[name] - value) <= NEAR
        logger.info(
            f"{name} {metrics[name]:.4f}, expected {value}: "
            + ("met" if met else f"NOT met, more than {NEAR} away")
        )


if __name__ == "__main__":
    run_main(main)
