"""The bookkeeping every recipe shares: metrics, selection, test and result.

The maths stays in each train.py; it tells this class all it needs to know.
"""

import platform
import shlex
import sys
import time
from contextlib import ExitStack

import torch
import yaml
from torch.nn import ModuleDict
from torchmetrics import MeanMetric

import speechbrain as sb
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import main_process_only

from ..adapters.adapted import count_parameters
from ..errors import InputError
from ..weights.adapter_files import save_weights, weights_beside
from .cache.cached import cached_clips
from .loop import ResumableBrain
from .results import Predictions, predictions_beside, write_result


@register_checkpoint_hooks
class PETLBrain(ResumableBrain):
    """A Brain that selects on validation, tests once and writes the result.

    Subclasses give ``compute_forward`` and ``compute_objectives``, and call
    ``self.score(...)`` in the latter.

    Arguments
    ---------
    modules : dict
        As for ``speechbrain.Brain``. Those that train are in the checkpoints.
    metrics : dict
        Name -> torchmetrics metric, computed in every stage and, under
        torchrun, over all processes.
    select : str, optional
        The metric whose best validation value picks the checkpoint that is
        tested. Without one, or without a validation set, it is the last.
    train_logger : speechbrain.utils.train_logger.TrainLogger
        Where the statistics of each epoch go.
    labels : speechbrain.dataio.encoder.CategoricalEncoder, optional
        The label set; with it, the test writes predictions.csv.
    keep : int
        How many of the best and how many of the last checkpoints to keep.
    test_on : str
        "test"; "valid" in a search, which may not look at the test set.
    cache : str, optional
        "features" or "frozen": what is computed once, see ``cache/cached.py``.
    cache_folder : str, optional
        Where it is kept.
    **kwargs : dict
        ``seed``, ``opt_class``, ``hparams``, ``run_opts``, ``checkpointer``,
        as for ``loop.ResumableBrain``.
    """

    # False where the metrics keep every score until the end of the stage
    scores_training = True
    # what makes probabilities of the logits: softmax, or sigmoid for tags
    activation = "softmax"

    def __init__(
        self,
        modules,
        *,
        metrics,
        select,
        train_logger,
        labels=None,
        keep=1,
        test_on="test",
        cache=None,
        cache_folder=None,
        **kwargs,
    ):
        super().__init__(modules, **kwargs)
        for name, module in self.modules.items():
            if any(p.requires_grad for p in module.parameters()):
                self.checkpointer.add_recoverable(name, module)
        loss = MeanMetric()
        if self.device_type != "mps":  # which has no 64 bits
            # so that the order of adding, which a resumed run changes, is lost
            loss.set_dtype(torch.float64)
        self.metrics = ModuleDict({"loss": loss, **metrics})
        self.metrics.to(self.device)
        for metric in self.metrics.values():
            metric.persistent(True)
        self.checkpointer.add_recoverable("metrics", self.metrics)
        self.select = select
        self.train_logger = train_logger
        self.predictions = Predictions(labels) if labels else None
        self.keep = keep
        self.test_on = test_on
        self.cache = (cache, cache_folder)
        self.history = []  # one dict per finished epoch
        self.seconds = 0.0  # spent in training, validation included

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
        self.drop_unfinished_checkpoints()
        self.has_valid = "valid" in datasets
        self.select = self.select if self.has_valid else None
        if self.test_on not in datasets:
            raise InputError(
                f"brain: test_on: there is no {self.test_on!r} set here, but "
                f"{', '.join(datasets)}"
            )
        self.epochs = epoch_counter.limit
        with cached_clips(self, datasets, loader, *self.cache) as datasets:
            self._fit_and_evaluate(epoch_counter, datasets, loader)
        return self._write_result(result, path)

    def _fit_and_evaluate(self, epoch_counter, datasets, loader):
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
            datasets[self.test_on],
            max_key=self.select,
            test_loader_kwargs=dict(loader),
        )

    def metrics_of(self, stage):
        """Which metrics a stage has; see ``scores_training``.

        Arguments
        ---------
        stage : speechbrain.Stage
            TRAIN, VALID or TEST.

        Returns
        -------
        iterable of str
            Names of the metrics that it counts into.
        """
        if stage == sb.Stage.TRAIN and not self.scores_training:
            return ["loss"]
        return self.metrics

    def _save_intra_epoch_ckpt(self):
        # the main process saves for all, so it needs the counts of all
        with ExitStack() as stack:
            for metric in self.metrics.values():
                stack.enter_context(metric.sync_context())
            super()._save_intra_epoch_ckpt()

    def score(self, predictions, targets, ids=None, **more):
        """Count a batch into the metrics of the running stage.

        Arguments
        ---------
        predictions : torch.Tensor
            What the metrics take as predictions, such as logits
            (batch, class).
        targets : torch.Tensor
            What they take as targets, such as class indices (batch,).
        ids : list of str, optional
            Of the clips, or of the files that they are windows of: the test
            notes what was predicted for each.
        **more : dict
            What else they take, such as ``files`` of ``voting.PerFile``.
        """
        predictions = predictions.detach().float()
        for name in self.metrics_of(self.stage):
            if name != "loss":
                self.metrics[name].update(predictions, targets, **more)
        if self.stage == sb.Stage.TEST and self.predictions and ids:
            self.predictions.add(ids, predictions, targets)

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
        self.stage = stage
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
            "tested_on": self.test_on,
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
        if self.predictions:
            self.predictions.write(predictions_beside(path))
        self._keep_tested_weights(weights_beside(path))
        write_result(result, path)
        return result

    @main_process_only
    def _keep_tested_weights(self, path):
        """Which checkpoint, or average of some, need not be found out again."""
        # those of the checkpoints are neither compiled nor wrapped by DDP
        known = self.checkpointer.recoverables
        modules = {k: known[k] for k in self.modules if k in known}
        save_weights(path, modules, self.activation)

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


def _device_name(device):
    if "cuda" in str(device):
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
