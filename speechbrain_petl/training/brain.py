"""The bookkeeping every recipe shares: metrics, selection, test and result.

The maths stays in each train.py; it tells this class all it needs to know.
"""

import torch

import speechbrain as sb
from speechbrain.utils.logger import get_logger

from ..data.mixing import mixed_clips
from ..errors import InputError, check_choice
from .averaging import keep_average, load_average
from .cache.cached import cached_clips
from .calibration import temperature_on
from .checkpoints import save_epoch, save_within_epoch
from .loop import ResumableBrain
from .metrics.of_stages import StageMetrics
from .predictions import Predictions
from .record import RECORD, Record
from .results import check_identity, write_run
from .starting import keep_what_trains, start_from_inputs
from .steps import ids_of

logger = get_logger(__name__)


class PETLBrain(ResumableBrain):
    """A Brain that selects on validation, tests once and writes the result.

    Subclasses give ``compute_forward`` and ``compute_objectives``, and call
    ``self.score(...)`` in the latter.

    Arguments
    ---------
    modules : dict
        As for ``speechbrain.Brain``. Those that train are in the checkpoints.
    metrics : dict
        Name -> torchmetrics metric, of every stage and over all processes.
    select : str, optional
        The metric whose best validation value picks the epoch to test, if any.
    train_logger : speechbrain.utils.train_logger.TrainLogger
        Of each epoch.
    labels : speechbrain.dataio.encoder.CategoricalEncoder, optional
        Of the test's predictions.csv.
    average, average_range : int, list of int
        Average so many of the best, or last, epochs; or epochs [first, last].
    mixup : dict, optional
        Of ``MixedClips``: mix with any clip of the training set.
    balance : bool
        Draw the training clips so that the classes are balanced.
    test_on : str
        "test"; "valid" in a search, which may not look at the test set.
    cache, cache_folder : str, optional
        "features" or "frozen": what is computed once, and where it is kept;
        see ``cache/cached.py``.
    **kwargs : dict
        As for ``loop.ResumableBrain``.
    """

    scores_training = True  # not where metrics keep every score of a stage
    activation = "softmax"  # of the logits; sigmoid for tags
    new_predictions = Predictions  # notes the answers of a test

    def __init__(
        self,
        modules,
        *,
        metrics,
        select,
        train_logger,
        labels=None,
        average=1,
        average_range=(),
        mixup=None,
        balance=False,
        test_on="test",
        cache=None,
        cache_folder=None,
        **kwargs,
    ):
        super().__init__(modules, **kwargs)
        self.learned = keep_what_trains(self.modules, self.checkpointer)
        self.metrics = StageMetrics(metrics, self.device)
        self.record = Record()
        self.checkpointer.add_recoverable("metrics", self.metrics)
        self.checkpointer.add_recoverable(RECORD, self.record)
        self.labels, self.predictions, self.temperature = labels, None, 1.0
        self.select, self.balance, self.average = select, balance, average
        self.mixup = mixup
        if mixup and mixup["prob"] and cache:
            raise InputError("mixup: clips that are mixed have no cache")
        self.range_average = keep_average(
            average_range, self.checkpointer, self.learned
        )
        self.train_logger, self.test_on = train_logger, test_on
        self.cache = (cache, cache_folder)
        self.scored = []  # what counts once the loss is known

    def train_and_test(self, epoch_counter, datasets, loader, result, path):
        """Train, restore the chosen checkpoint, test, write the result.

        Arguments
        ---------
        epoch_counter : speechbrain.utils.epoch_loop.EpochCounter or None
            Counts to the number of epochs; None tests what was loaded.
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
        if self.test_on == "valid" and "valid" not in datasets:
            raise InputError(
                "brain: test_on=valid: this run has no clips to validate on, "
                "set another protocol or split"
            )
        check_choice("brain: test_on", self.test_on, datasets)
        check_identity(result)
        self.has_valid = "valid" in datasets
        self.select = self.select if self.has_valid else None
        limit = epoch_counter.limit if epoch_counter else None
        self.go_on_in(path, limit, self.select, self.average)
        with cached_clips(self, datasets, loader, *self.cache) as datasets:
            if epoch_counter:
                self._train(epoch_counter, datasets, loader)
            test, loader = datasets[self.test_on], dict(loader)
            self.evaluate(test, self.select, test_loader_kwargs=loader)
            self.temperature = temperature_on(self, datasets, loader)
        return write_run(self, result, path)

    def _train(self, epoch_counter, datasets, loader):
        start_from_inputs(self, datasets["train"], loader)
        train, more = mixed_clips(datasets["train"], self.seed, self.mixup)
        train = self.make_dataloader(train, sb.Stage.TRAIN, **more | loader)
        left, valid = self.epochs_left(epoch_counter), datasets.get("valid")
        self.fit(left, train, valid, None, {}, dict(loader))

    def score(self, predictions, targets, ids=None, **more):
        """Count a batch into the metrics of the running stage.

        Arguments
        ---------
        predictions : torch.Tensor
            What the metrics take, such as logits (batch, class).
        targets : torch.Tensor or list of str
            What they take as targets, such as class indices (batch,).
        ids : list of str, optional
            Of the clips, or of the files of windows: their answers are noted.
        **more : dict
            What else they take, as ``files`` of ``voting.PerFile``.
        """
        # a copy: what CUDA graphs return, their next replay overwrites
        predictions = predictions.detach().to(torch.float32, copy=True)
        if self.stage != sb.Stage.TRAIN:
            self.metrics.count(predictions, targets, **more)
        elif self.scores_training:  # once the loss is known
            self.scored.append((predictions, targets, more))
        if self.predictions is not None and ids is not None:
            self.predictions.add(ids, predictions, targets)

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Count what is finite; save a checkpoint, if one is due."""
        super().on_fit_batch_end(batch, outputs, loss, should_step)
        if self.loss_is_finite and not self.is_spare:
            self.metrics.count_loss(loss, self.loss_items(batch))
            for predictions, targets, more in self.scored:
                self.metrics.count(predictions, targets, **more)
        self.scored = []
        if self.interval.is_due(between=should_step):
            with self.metrics.synced():  # the main process saves for all
                save_within_epoch(self.checkpointer)

    def evaluate_batch(self, batch, stage):
        """As SpeechBrain's; counts the loss, and says where it is not finite."""
        batch = batch.to(self.device, non_blocking=True)
        loss = super().evaluate_batch(batch, stage)
        if not torch.isfinite(loss):
            clips = ", ".join(ids_of(batch))
            said = f"{stage.name}: the loss of the clips {clips} is not finite"
            logger.warning(said, main_process_only=False)
        self.metrics.count_loss(loss, self.loss_items(batch))
        return loss

    def on_stage_start(self, stage, epoch=None):
        """Reset the metrics, unless an epoch goes on."""
        super().on_stage_start(stage, epoch)
        resumed = stage == sb.Stage.TRAIN and self.step > 0
        if not resumed or self.rank > 0:  # the main process has all counts
            self.metrics.reset()
        testing = stage == sb.Stage.TEST
        self.predictions = self.new_predictions() if testing else None
        if not testing:
            self.record.start()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Collect the statistics; at the end of an epoch, log and save."""
        if training := stage == sb.Stage.TRAIN:
            self.refuse_an_epoch_without_steps()
        stats = self.metrics.compute(training and not self.scores_training)
        if stage == sb.Stage.TEST:
            self.predictions.gather()
            self.test_stats, meta = stats, {"tested epoch": self.tested_epoch}
            return self.train_logger.log_stats(meta, test_stats=stats)
        self.record.stop()
        if training:
            self.record.history.append({"epoch": epoch, "train": stats})
        else:
            self.record.history[-1]["valid"] = stats
        if not training or not self.has_valid:
            self._end_epoch(**self.record.history[-1])

    def _end_epoch(self, epoch, train, valid=None):
        lr = float(self.optimizer.param_groups[0]["lr"])
        self.train_logger.log_stats({"epoch": epoch, "lr": lr}, train, valid)
        self.step, self.avg_train_loss = 0, 0.0  # of the epoch that follows
        if self.range_average:
            self.range_average.add(epoch)
        if hasattr(self.scheduler, "end_epoch"):
            self.scheduler.end_epoch(epoch, (valid or train)["loss"])
        selected = {self.select: valid[self.select]} if self.select else {}
        save_epoch(self.checkpointer, epoch, selected, self.average)

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Restore the weights that validation chose, or refuse to test."""
        self.tested_epoch, self.adapter_bytes = None, 0
        if self.epochs is None:  # nothing was trained
            return
        last = self.checkpointer.find_checkpoint()
        several = self.average > 1 or self.range_average
        epochs = load_average(
            *(self.checkpointer, self.learned, self.average, max_key),
            kept=self.range_average,
        )
        self.record.load(last.paramfiles[RECORD])
        self.tested_epoch = epochs if several else epochs[0]
        self.adapter_bytes = sum(
            last.paramfiles[name].stat().st_size for name in self.learned
        )
