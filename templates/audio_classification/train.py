#!/usr/bin/env python3
"""The copy-me recipe: adapt an AST to the labelled clips that prepare.py lists.

> python train.py hparams/lora.yaml
> torchrun --nproc_per_node=2 train.py hparams/lora.yaml

As it stands it shows what PETL is for, offline: a small AST is trained from
scratch on a source group of sounds, once; then a linear probe and the method
you name adapt it to a target group it has never heard.

Authors
 * the speechbrain_petl developers, 2026
"""

import os

import torch
from hyperpyyaml import load_hyperpyyaml
from prepare import prepare_sounds
from speechbrain_petl import (
    AdaptedEncoder,
    PETLBrain,
    classification_datasets,
    create_experiment_directory,
    load_pretrained,
    parse_recipe,
    run_main,
    save_pretrained,
)
from speechbrain_petl.weights.sources import looks_like_path
from torchmetrics.classification import MulticlassAccuracy

from speechbrain.utils.distributed import run_on_main

SOURCE_RUN = ["--group=source", "--source=null", "--lr=0.001"]


class SoundBrain(PETLBrain):
    """Waveform -> log-mel -> adapted AST -> pooled tokens -> class."""

    def compute_forward(self, batch, stage):
        """Class logits and the shares of the classes, both (batch, class)."""
        wavs, wav_lens = batch.to(self.device).sig
        samples = wav_lens * wavs.shape[1]
        targets = batch.shares.data
        wavs, targets = self.modules.wave_augment(wavs, targets)
        features = self.modules.fbank(wavs, wav_lens)
        features, targets = self.modules.augment(features, targets)
        tokens = self.modules.encoder(features, samples)
        embeddings = self.modules.pooling(tokens, samples)
        return self.modules.classifier(embeddings), targets

    def compute_objectives(self, predictions, batch, stage):
        """Cross entropy; counts the batch into the metrics."""
        logits, targets = predictions
        self.score(logits, batch.target, ids=batch.id)
        return torch.nn.functional.cross_entropy(logits, targets)


def dataio_prep(hparams):
    """split -> dataset of clips, and the label set of all splits."""
    return classification_datasets(**hparams["dataio"])


def adapt(hparams_file, run_opts, overrides):
    """Prepare, adapt, select on validation, test once: (result, encoder)."""
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, run_opts
    )

    hparams["dataio"]["manifests"] = run_on_main(
        prepare_sounds, kwargs=hparams["prepare"]
    )
    datasets, labels = dataio_prep(hparams)
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    adapted = AdaptedEncoder(encoder, **hparams["petl"])
    classifier = hparams["classifier"](encoder.dim, len(labels))
    brain = SoundBrain(
        {
            **hparams["modules"],
            "encoder": adapted,
            "classifier": classifier,
        },
        metrics={"accuracy": MulticlassAccuracy(len(labels), average="micro")},
        select="accuracy",
        labels=labels,
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    result = brain.train_and_test(
        hparams["epoch_counter"],
        datasets,
        hparams["loader"],
        result=hparams["result"],
        path=hparams["result_file"],
    )
    return result, encoder


def main(argv):
    """The source model, once; a linear probe; the method; the comparison."""
    parsed = parse_recipe(argv)
    with open(parsed[0], encoding="utf-8") as file:
        source = load_hyperpyyaml(file, parsed[2])["source"]
    options = [a for a in argv[1:] if not a.startswith("--output_folder")]
    folder = os.path.dirname(argv[0])
    if source and looks_like_path(source) and not os.path.exists(source):
        full = os.path.join(folder, "full.yaml")
        _, encoder = adapt(*parse_recipe([full, *options, *SOURCE_RUN]))
        run_on_main(save_pretrained, args=[encoder, source])
    linear = os.path.join(folder, "linear.yaml")
    results = [adapt(*parse_recipe([linear, *options]))[0]]
    if not os.path.samefile(argv[0], linear):
        results.append(adapt(*parsed)[0])
    run_on_main(show, args=[results])


def show(results):
    """Print what the runs were for.

    Arguments
    ---------
    results : list of dict
        What ``adapt`` returned.
    """
    print(f"\nFrom the source model to {results[0]['dataset']}, test set:")
    print(f"{'method':<24}{'accuracy':>10}{'trained':>10}{'adapter file':>14}")
    for result in results:
        print(
            f"{result['method']:<24}"
            f"{result['metrics']['accuracy']:>10.1%}"
            f"{result['trainable_parameters']:>10,}"
            f"{result['adapter_bytes'] / 1000:>11,.0f} kB"
        )
    total = results[0]["total_parameters"]
    print(f"A copy of the whole model: {total:,} parameters.")


if __name__ == "__main__":
    run_main(main)
