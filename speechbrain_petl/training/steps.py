"""A step of training: what it weighs, how it is clipped, when it is left out.

n processes take the step of one; a step whose loss or gradient is not finite
changes nothing, in any of them.
"""

import math

import torch

import speechbrain as sb
from speechbrain.utils.distributed import ddp_all_reduce
from speechbrain.utils.logger import get_logger
from speechbrain.utils.optimizers import rm_vector_weight_decay

from ..errors import InputError
from .checkpoints import LAST_RECOVERABLE, load_state, save_at_once
from .parameter_groups import parameter_groups
from .schedules import cosine, make_schedule

logger = get_logger(__name__)


class SteppingBrain(sb.Brain):
    """A Brain whose steps are whole, weighed and finite.

    Arguments
    ---------
    *args, **kwargs
        As for ``speechbrain.Brain``.
    scheduler : callable
        Makes the schedule of the learning rate, see ``schedules``.
    groups : dict, optional
        Glob over the names of parameters, "classifier.*" for example -> what
        the optimizer does otherwise with them, {"lr": 0.001} for example.
    """

    class_weights = None  # of the loss in training (class,)

    def __init__(self, *args, scheduler=cosine, groups=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.make_scheduler, self.groups = scheduler, groups or {}
        world = torch.distributed.is_initialized()
        self.processes = torch.distributed.get_world_size() if world else 1
        self.rank = torch.distributed.get_rank() if world else 0
        self.epochs = 1  # that the learning rate falls over
        self.spare_step = None  # whose clips another process has, too
        self.some_step_taken = True  # of the epoch
        self.clips, self.suspects = [], []  # of the step: all, those to blame

    def loss_items(self, batch):
        """How many items the loss of a batch is the mean of.

        Arguments
        ---------
        batch : speechbrain.dataio.batch.PaddedBatch
            Clips and targets.

        Returns
        -------
        int or torch.Tensor
            Clips, each as many as its class weighs in training, unless a
            recipe has it otherwise.
        """
        if self.class_weights is None or self.stage != sb.Stage.TRAIN:
            return len(batch)
        return (batch.soft_targets.data * self.class_weights).sum()

    def init_optimizers(self):
        """One optimizer over the trainable parameters, and its schedule."""
        groups = parameter_groups(self.modules, self.groups)
        if self.remove_vector_weight_decay:
            if any(isinstance(group, dict) for group in groups):
                raise InputError(
                    "remove_vector_weight_decay: not with brain: groups, which "
                    "may have a weight_decay each"
                )
            groups = rm_vector_weight_decay(self.modules)
        try:
            self.optimizer = self.opt_class(groups)
        except (TypeError, ValueError) as error:  # lr=-1, or no such argument
            raise InputError(f"opt_class: {error}")
        self.optimizers_dict = {"opt_class": self.optimizer}
        steps = self.epochs * self.steps_per_epoch
        if self.optimizer_step_limit is not None:
            steps = min(steps, self.optimizer_step_limit)
        self.scheduler = make_schedule(
            self.make_scheduler,
            self.optimizer,
            steps=steps,
            epochs=self.epochs,
            steps_per_epoch=self.steps_per_epoch,
        )
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        self.checkpointer.add_recoverable(
            LAST_RECOVERABLE,
            self.scheduler,
            custom_load_hook=load_state,
            custom_save_hook=save_at_once,
        )
        self.statistics = _RunningStatistics(self.modules)

    def on_stage_start(self, stage, epoch=None):
        """An epoch that goes on may have taken a step."""
        self.some_step_taken = self.step > 0
        self.clips, self.suspects = [], []

    def fit_batch(self, batch):
        """As SpeechBrain's; notes what may have to be put back or named."""
        if not self.clips:
            self.statistics.note()
        self.batch = batch.to(self.device, non_blocking=True)
        self.clips += ids_of(batch)
        return super().fit_batch(batch)

    @property
    def is_spare(self):
        """Whether another process has the clips of this step, too."""
        return self.step == self.spare_step

    def check_loss_isfinite(self, loss):
        """Weigh the gradient by what the batch holds, by nan if its loss is.

        That all processes leave the step out follows, and here nobody has to
        wait for the device: see ``_wait``.
        """
        self.loss = loss.detach()
        weight = torch.where(self.loss.isfinite(), 1.0, float("nan"))
        if self.processes > 1:
            items = 0 if self.is_spare else self.loss_items(self.batch)
            mine = torch.zeros_like(weight) + items
            total = ddp_all_reduce(mine.clone(), torch.distributed.ReduceOp.SUM)
            weight = weight * self.processes * mine / total
        loss.register_hook(lambda gradient: gradient * weight)

    def _wait(self, *more):
        """Wait for the device, the one time in a batch: is the loss finite?

        Returns
        -------
        list of float
            What else was asked for.
        """
        asked = torch.stack([value.float() for value in (self.loss, *more)])
        loss, *more = asked.tolist()
        self.loss_is_finite = math.isfinite(loss)
        if not self.loss_is_finite:
            self.suspects += ids_of(self.batch)
            self.nonfinite_count += 1
        if self.nonfinite_count > self.nonfinite_patience:
            raise InputError(
                f"the loss of the clips {', '.join(ids_of(self.batch))} is not "
                f"finite, nor was that of {self.nonfinite_patience} batches "
                "of this epoch before: give a lower lr, or mend the clips"
            )
        return more

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Where no step is taken yet, nobody has waited for the batch."""
        if not should_step:
            self._wait()

    def optimizers_step(self):
        """Clip over all parameter groups, step, and move the schedule on.

        A step with a gradient that is not finite is left out.
        """
        opt = self.optimizer
        self.scaler.unscale_(opt)
        parameters = [p for g in opt.param_groups for p in g["params"]]
        limit = self.max_grad_norm if self.max_grad_norm > 0 else float("inf")
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        (norm,) = self._wait(norm)
        finite, scaled = math.isfinite(norm), self.scaler.is_enabled()
        if not finite:
            self.statistics.put_back()
        if finite or scaled:
            self.scaler.step(opt)
            self.scaler.update()
            self.some_step_taken = True
        if self.suspects or not (finite or scaled):
            what = "loss" if self.suspects else "gradient"
            clips = ", ".join(self.suspects or self.clips)
            logger.warning(
                f"the {what} of the clips {clips} is not finite: this step is "
                "left out",
                main_process_only=False,
            )
        opt.zero_grad(set_to_none=True)
        self.clips, self.suspects = [], []
        self.optimizer_step += 1
        self.scheduler.step()

    def refuse_an_epoch_without_steps(self):
        """An epoch has ended."""
        if not self.some_step_taken:
            raise InputError(
                "no step of this epoch had a finite loss and gradient, so "
                "nothing was learned: give a lower lr, or mend the clips that "
                "the lines above name"
            )


def ids_of(batch):
    """The ids of the clips of a batch.

    Arguments
    ---------
    batch : speechbrain.dataio.batch.PaddedBatch
        With an "id", or without.

    Returns
    -------
    list of str
        Empty without.

    Example
    -------
    >>> from speechbrain.dataio.batch import PaddedBatch
    >>> ids_of(PaddedBatch([{"id": "a"}, {"id": "b"}]))
    ['a', 'b']
    """
    return list(getattr(batch, "id", []))


class _RunningStatistics:
    """Those of every BatchNorm, as they were before a step."""

    def __init__(self, modules):
        self.buffers = [
            buffer
            for module in modules.modules()
            if getattr(module, "running_mean", None) is not None
            for buffer in module.buffers(recurse=False)
        ]

    def note(self):
        self.noted = [buffer.clone() for buffer in self.buffers]

    def put_back(self):
        for buffer, noted in zip(self.buffers, self.noted):
            buffer.copy_(noted)
