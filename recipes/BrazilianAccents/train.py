#!/usr/bin/env python3
"""Adapt a pretrained AST to accents of Brazilian Portuguese.

> python train.py hparams/lora.yaml --data_folder=/path/to/accents
> torchrun --nproc_per_node=2 train.py hparams/lora.yaml --data_folder=...

Authors
 * the speechbrain_petl developers, 2026
"""

import torch
from hyperpyyaml import load_hyperpyyaml
from prepare import prepare_brazilian_accents

import speechbrain as sb
from speechbrain.utils.distributed import run_on_main
from speechbrain_petl import AdaptedEncoder, PETLBrain, load_pretrained
from speechbrain_petl.plots import draw_confusion
from speechbrain_petl.recipe import parse_recipe, run
from speechbrain_petl.voting import PerFile, confusion, macro_f1, top, uar
from speechbrain_petl.windows import class_weights, windowed_datasets


class AccentsBrain(PETLBrain):
    """Window -> log-mel -> adapted AST -> class; the windows of a file vote."""

    def compute_forward(self, batch, stage):
        """Class logits and the shares of the classes, both (batch, class)."""
        wavs, lens = batch.to(self.device).sig
        targets = batch.shares.data
        wavs, targets = self.modules.wave_augment(wavs, targets)
        features = self.modules.fbank(wavs, lens)
        features, targets = self.modules.augment(features, targets)
        tokens = self.modules.encoder(features)
        return self.modules.classifier(self.modules.pooling(tokens)), targets

    def compute_objectives(self, predictions, batch, stage):
        """Weighted cross entropy; counts the batch into the metrics."""
        logits, targets = predictions
        shares = batch.shares.data
        self.score(logits, shares, files=batch.file)
        if stage == sb.Stage.TEST:
            self.confusion.update(logits.detach(), shares, files=batch.file)
        return torch.nn.functional.cross_entropy(
            logits, targets, weight=self.class_weights
        )

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """As ever, and a picture of the confusions of the test."""
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == sb.Stage.TEST:
            matrix = self.confusion.compute().cpu()
            run_on_main(draw_confusion, args=[matrix, *self.picture])


def main(argv):
    """Prepare, adapt, select on validation, test once."""
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)

    fbank = hparams["fbank"]
    manifests = run_on_main(
        prepare_brazilian_accents,
        kwargs={
            "data_folder": hparams["data_folder"],
            "save_folder": hparams["save_folder"],
            "window": fbank.samples / fbank.sample_rate,
            "overlap": hparams["overlap"],
            "metadata": hparams["metadata"],
            "labels": hparams["labels"],
            "split_seed": hparams["split_seed"],
            "valid_ratio": hparams["valid_ratio"],
            "test_ratio": hparams["test_ratio"],
        },
    )
    sb.create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides
    )
    datasets, labels = windowed_datasets(
        manifests,
        hparams["labels_file"],
        shots=hparams["shots"],
        seed=hparams["seed"],
    )
    encoder = load_pretrained(hparams["encoder"], hparams["source"])
    encoder = AdaptedEncoder(encoder, **hparams["petl"])
    classifier = hparams["classifier"](hparams["encoder"].dim, len(labels))
    hparams["checkpointer"].add_recoverables(
        {"encoder": encoder, "classifier": classifier}
    )
    brain = AccentsBrain(
        modules={
            "fbank": fbank,
            "wave_augment": hparams["wave_augment"],
            "augment": hparams["augment"],
            "encoder": encoder,
            "pooling": hparams["pooling"],
            "classifier": classifier,
        },
        metrics={
            "accuracy": PerFile(top),
            "macro-F1": PerFile(macro_f1),
            "UAR": PerFile(uar),
        },
        select="macro-F1",
        train_logger=hparams["train_logger"],
        seed=hparams["seed"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    weights = class_weights(datasets["train"], labels)
    balanced = hparams["balance"]
    brain.class_weights = weights.to(brain.device) if balanced else None
    brain.confusion = PerFile(confusion).to(brain.device)
    names = labels.decode_ndim(list(range(len(labels))))
    brain.picture = names, hparams["confusion_file"]
    return brain.train_and_test(
        hparams["epoch_counter"],
        datasets,
        hparams["loader"],
        result={
            "dataset": "BrazilianAccents",
            "method": hparams["method"],
            "split_seed": hparams["split_seed"],
            "seed": hparams["seed"],
            "shots": hparams["shots"],
        },
        path=hparams["result_file"],
    )


if __name__ == "__main__":
    run(main)
