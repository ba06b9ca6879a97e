"""The bookkeeping every recipe shares: metrics, schedule, checkpoints, results.

The maths stays in each train.py; it tells this class all it needs to know.
"""

import json
import logging
import os
import platform
import random
import shlex
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import torch
import yaml
from torch.nn import ModuleDict
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import IterableDataset
from torchmetrics import MeanMetric

import speechbrain as sb
from speechbrain.core import INTRA_EPOCH_CKPT_FLAG
from speechbrain.dataio.sampler import ReproducibleRandomSampler
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import ddp_broadcast, main_process_only
from speechbrain.utils.logger import get_logger

from .adapted import count_parameters
from .errors import InputError

logger = get_logger(__name__)

LAST_RECOVERABLE = "scheduler"  # the last file of a checkpoint to be written


@register_checkpoint_hooks
class PETLBrain(sb.Brain):
    """A Brain that selects on validation, tests once and writes the result.

    Subclasses give ``compute_forward`` and ``compute_objectives``, and call
    ``self.score(...)`` in the latter.

    Arguments
    ---------
    modules : dict
        As for ``speechbrain.Brain``.
    metrics : dict
        Name -> torchmetrics metric, computed in every stage and, under
        torchrun, over all processes.
    select : str, optional
        The metric whose best validation value picks the checkpoint that is
        tested. Without one, or without a validation set, it is the last.
    train_logger : speechbrain.utils.train_logger.TrainLogger
        Where the statistics of each epoch go.
    seed : int
        Seeds dropout and augmentation, differently in every process.
    keep : int
        How many of the best and how many of the last checkpoints to keep.
    **kwargs : dict
        ``opt_class``, ``hparams``, ``run_opts``, ``checkpointer``, as for
        ``speechbrain.Brain``.
    """

    def __init__(
        self,
        modules,
        *,
        metrics,
        select,
        train_logger,
        seed,
        keep=1,
        **kwargs,
    ):
        super().__init__(modules, **kwargs)
        self.metrics = ModuleDict({"loss": MeanMetric(), **metrics})
        self.metrics.to(self.device)
        for metric in self.metrics.values():
            metric.persistent(True)
        # --debug gives each process a folder of its own: they share the first's
        folder = self.checkpointer.checkpoints_dir
        self.checkpointer.checkpoints_dir = ddp_broadcast(folder)
        self.checkpointer.add_recoverable("metrics", self.metrics)
        self.select = select
        self.train_logger = train_logger
        self.seed = seed
        self.keep = keep
        world = torch.distributed.is_initialized()
        self.processes = torch.distributed.get_world_size() if world else 1
        self.rank = torch.distributed.get_rank() if world else 0
        self.history = []  # one dict per finished epoch
        self.seconds = 0.0  # spent in training, validation included
        self.epoch = 0

    def train_and_test(self, epoch_counter, datasets, loader, result, path):
        """Train, restore the chosen checkpoint, test, write the result.

        Arguments
        ---------
        epoch_counter : speechbrain.utils.epoch_loop.EpochCounter
            Counts to the number of epochs.
        datasets : dict
            "train", "test" and, if there is one, "valid".
        loader : dict
            Arguments of the data loaders: batch_size, num_workers, ...
        result : dict
            What identifies the run: dataset, method, fold, seed, ...
        path : str
            The json file to write.

        Returns
        -------
        dict
            What was written.
        """
        self._drop_unfinished_checkpoints()
        self.has_valid = "valid" in datasets
        self.select = self.select if self.has_valid else None
        self.epochs = epoch_counter.limit
        train = self.make_dataloader(
            datasets["train"], sb.Stage.TRAIN, shuffle=True, **loader
        )
        self.fit(
            epoch_counter,
            train,
            datasets.get("valid"),
            valid_loader_kwargs=dict(loader),
        )
        self.evaluate(
            datasets["test"],
            max_key=self.select,
            test_loader_kwargs=dict(loader),
        )
        return self._write_result(result, path)

    def make_dataloader(
        self, dataset, stage, ckpt_prefix="dataloader-", **loader_kwargs
    ):
        """As SpeechBrain's, but validation and test are shared out too.

        One order of the training clips whatever the number of processes: with
        the same global batch, torchrun takes the same steps as one process.

        Arguments
        ---------
        dataset : torch.utils.data.Dataset
            What to load.
        stage : speechbrain.Stage
            TRAIN, VALID or TEST.
        ckpt_prefix : str
            As in ``speechbrain.Brain.make_dataloader``.
        **loader_kwargs : dict
            Arguments of the loader.

        Returns
        -------
        torch.utils.data.DataLoader
            The loader.
        """
        if isinstance(dataset, IterableDataset):
            # a stream orders its clips and shares them out by itself
            loader_kwargs.pop("shuffle", None)
        elif stage == sb.Stage.TRAIN:
            if loader_kwargs.pop("shuffle", False):
                seed = random.Random(self.seed).getrandbits(31)
                loader_kwargs["sampler"] = self.make_sampler(dataset, seed)
        elif self.distributed_launch and len(dataset) >= self.processes:
            share = range(self.rank, len(dataset), self.processes)
            loader_kwargs["sampler"] = share
        loader = super().make_dataloader(
            dataset, stage, ckpt_prefix, **loader_kwargs
        )
        if stage == sb.Stage.TRAIN:
            self.train_sampler = loader.sampler
            factor = self.grad_accumulation_factor
            self.steps_per_epoch = len(loader) // factor
            if not self.steps_per_epoch:
                raise InputError(
                    f"grad_accumulation_factor={factor} is more than the "
                    f"{len(loader)} batches of an epoch: lower one or the "
                    "batch_size"
                )
        return loader

    def make_sampler(self, dataset, seed):
        """The order of the training clips; a recipe may have its own.

        Arguments
        ---------
        dataset : torch.utils.data.Dataset
            The training clips.
        seed : int
            Seeds the order, alike in every process.

        Returns
        -------
        torch.utils.data.Sampler
            Yields the indices of an epoch; ``set_epoch`` changes the order.
        """
        return ReproducibleRandomSampler(dataset, seed=seed)

    def metrics_of(self, stage):
        """Which metrics a stage has; a recipe may leave some out.

        Arguments
        ---------
        stage : speechbrain.Stage
            TRAIN, VALID or TEST.

        Returns
        -------
        iterable of str
            Names of the metrics that it counts into.
        """
        return self.metrics

    def init_optimizers(self):
        """One optimizer over the trainable parameters, cosine to zero."""
        trainable = [p for p in self.modules.parameters() if p.requires_grad]
        self.optimizer = self.opt_class(trainable)
        self.optimizers_dict = {"opt_class": self.optimizer}
        steps = self.epochs * self.steps_per_epoch
        self.scheduler = CosineAnnealingLR(self.optimizer, steps)
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        self.checkpointer.add_recoverable(
            LAST_RECOVERABLE, self.scheduler, custom_save_hook=_save_at_once
        )

    @main_process_only
    def _drop_unfinished_checkpoints(self):
        """Delete what a killed run had not written to its end."""
        folder = Path(self.checkpointer.checkpoints_dir)
        for checkpoint in folder.glob("CKPT+*"):
            if not (checkpoint / f"{LAST_RECOVERABLE}.ckpt").is_file():
                logger.warning(f"{checkpoint} is not complete: deleting it")
                shutil.rmtree(checkpoint)

    def _should_save_intra_epoch_ckpt(self, *args):
        # a gradient that is being accumulated is in no checkpoint
        between = self.step % self.grad_accumulation_factor == 0
        return between and super()._should_save_intra_epoch_ckpt(*args)

    def _save_intra_epoch_ckpt(self):
        # the main process saves for all, so it needs the counts of all
        with ExitStack() as stack:
            for metric in self.metrics.values():
                stack.enter_context(metric.sync_context())
            self.checkpointer.save_and_keep_only(
                end_of_epoch=False,
                meta={INTRA_EPOCH_CKPT_FLAG: True},
                ckpt_predicate=lambda c: INTRA_EPOCH_CKPT_FLAG in c.meta,
                importance_keys=[],  # the default one grows with every save
                verbosity=logging.DEBUG,
            )

    def _wrap_distributed(self):
        """SpeechBrain makes every BatchNorm a synchronised one: GPU only."""
        if not self.distributed_launch or self.device_type != "cpu":
            super()._wrap_distributed()
            return
        for name, module in self.modules.items():
            if any(p.requires_grad for p in module.parameters()):
                self.modules[name] = DistributedDataParallel(
                    module, find_unused_parameters=self.find_unused_parameters
                )

    def on_fit_batch_start(self, batch, should_step):
        """Seed the step, so that a resumed run draws what it would have.

        Arguments
        ---------
        batch : speechbrain.dataio.batch.PaddedBatch
            Not used.
        should_step : bool
            Not used.
        """
        name = f"{self.seed} {self.epoch} {self.step} {self.rank}"
        torch.manual_seed(random.Random(name).getrandbits(63))

    def optimizers_step(self):
        """Clip over all parameter groups, step, and move the schedule on.

        Steps with a gradient that is not finite are left out.
        """
        opt = self.optimizer
        self.scaler.unscale_(opt)
        parameters = [p for g in opt.param_groups for p in g["params"]]
        limit = self.max_grad_norm if self.max_grad_norm > 0 else float("inf")
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        if self.scaler.is_enabled() or torch.isfinite(norm):
            self.scaler.step(opt)
            self.scaler.update()
        else:
            logger.warning("the gradient is not finite: this step is left out")
        opt.zero_grad(set_to_none=True)
        self.optimizer_step += 1
        self.scheduler.step()

    def score(self, predictions, targets, **more):
        """Count a batch into the metrics of the running stage.

        Arguments
        ---------
        predictions : torch.Tensor
            What the metrics take as predictions, such as logits
            (batch, class).
        targets : torch.Tensor
            What they take as targets, such as class indices (batch,).
        **more : dict
            What else they take, such as ``files`` of ``voting.PerFile``.
        """
        for name, metric in self.metrics.items():
            if name != "loss":
                metric.update(predictions.detach().float(), targets, **more)

    def fit_batch(self, batch):
        """As SpeechBrain's, with the loss weighted by the batch size.

        Arguments
        ---------
        batch : speechbrain.dataio.batch.PaddedBatch
            Clips and targets.

        Returns
        -------
        torch.Tensor
            The detached loss.
        """
        return self._weighted(super().fit_batch(batch), batch)

    def evaluate_batch(self, batch, stage):
        """As SpeechBrain's, with the loss weighted by the batch size.

        Arguments
        ---------
        batch : speechbrain.dataio.batch.PaddedBatch
            Clips and targets.
        stage : speechbrain.Stage
            VALID or TEST.

        Returns
        -------
        torch.Tensor
            The detached loss.
        """
        return self._weighted(super().evaluate_batch(batch, stage), batch)

    def _weighted(self, loss, batch):
        self.metrics["loss"].update(loss.to(self.device), weight=len(batch))
        return loss

    def on_stage_start(self, stage, epoch=None):
        """Reset the statistics.

        Arguments
        ---------
        stage : speechbrain.Stage
            TRAIN, VALID or TEST.
        epoch : int
            The current epoch.
        """
        self.epoch = epoch or self.epoch
        self.started = time.time()
        resumed = stage == sb.Stage.TRAIN and self.step > 0
        if not resumed or self.rank > 0:
            for metric in self.metrics.values():
                metric.reset()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Collect the statistics; at the end of an epoch, log and save.

        Arguments
        ---------
        stage : speechbrain.Stage
            TRAIN, VALID or TEST.
        stage_loss : float
            Not used: it is this process's alone.
        epoch : int
            The current epoch.
        """
        counted = self.metrics_of(stage)
        stats = {k: float(self.metrics[k].compute()) for k in counted}
        if stage == sb.Stage.TEST:
            self.test_stats = stats
            chosen = {"tested epoch": self.tested_epoch}
            self.train_logger.log_stats(chosen, test_stats=stats)
            return
        self.seconds += time.time() - self.started
        if stage == sb.Stage.TRAIN:
            self.history.append({"epoch": epoch, "train": stats})
        else:
            self.history[-1]["valid"] = stats
        if stage == sb.Stage.VALID or not self.has_valid:
            self._end_epoch()

    def _end_epoch(self):
        last = self.history[-1]
        self.train_logger.log_stats(
            {"epoch": last["epoch"]},
            train_stats=last["train"],
            valid_stats=last.get("valid"),
        )
        keys = [self.select] if self.select else []
        meta = {k: last["valid"][k] for k in keys}
        self.checkpointer.save_and_keep_only(
            meta={**meta, "epoch": last["epoch"]},
            max_keys=keys,
            num_to_keep=self.keep,
            importance_keys=[],
        )

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Restore the checkpoint that validation chose, or refuse to test.

        Arguments
        ---------
        max_key : str
            The metric of the choice; None for the last checkpoint.
        min_key : str
            Not used.
        """
        found = self.checkpointer.find_checkpoint(max_key=max_key)
        if found is None:
            raise InputError(
                f"{self.checkpointer.checkpoints_dir} holds no checkpoint"
                + (f" with a validation {max_key}" if max_key else "")
                + ": train before you test"
            )
        self.checkpointer.load_checkpoint(found)
        # the chosen epoch's weights, but the whole run's record
        last = self.checkpointer.find_checkpoint()
        self._recover(last.paramfiles["brain"], end_of_epoch=True)
        self.tested_epoch = found.meta.get("epoch")
        files = found.paramfiles.items()
        self.adapter_bytes = sum(
            file.stat().st_size for name, file in files if name in self.modules
        )

    def _write_result(self, result, path):
        trainable, total = count_parameters(self.modules)
        result = {
            **result,
            "metrics": self.test_stats,
            "select": self.select,
            "tested_epoch": self.tested_epoch,
            "trainable_parameters": trainable,
            "total_parameters": total,
            "adapter_bytes": self.adapter_bytes,
            "seconds": round(self.seconds, 1),
            "device": _device_name(self.device),
            "precision": self.precision,
            "processes": self.processes,
            "debug": self.debug,
            "command": shlex.join(sys.argv),
            "history": self.history,
        }
        _write_json(result, path)
        return result

    @mark_as_saver
    def _save(self, path):
        super()._save(path)
        seconds = self.seconds
        if self.modules.training:
            seconds += time.time() - self.started
        with open(path, "a", encoding="utf-8") as file:
            yaml.safe_dump({"history": self.history, "seconds": seconds}, file)

    @mark_as_loader
    def _recover(self, path, end_of_epoch):
        super()._recover(path, end_of_epoch)
        if end_of_epoch:  # without validation it is saved before the reset
            self.step, self.avg_train_loss = 0, 0.0
        with open(path, encoding="utf-8") as file:
            saved = yaml.safe_load(file)
        self.history, self.seconds = saved["history"], saved["seconds"]


@main_process_only
def _save_at_once(recoverable, path):
    torch.save(recoverable.state_dict(), f"{path}.part")
    os.replace(f"{path}.part", path)


@main_process_only
def _write_json(content, path):
    """Write at once, so that a killed run leaves no half a result."""
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    os.replace(f"{path}.part", path)


def _device_name(device):
    if "cuda" in str(device):
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
