"""SpeechBrain's training loop, mended where adaptation needs it to be.

Steps that a killed run repeats exactly, gradients clipped in all groups, clips
dealt the same way to any number of processes, checkpoints whole or gone.
"""

import random
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

import speechbrain as sb
from speechbrain.utils.distributed import ddp_broadcast, run_on_main

from ..data.mixing import random_sampler
from ..errors import InputError, check_arguments, check_count
from ..weights.kept_base import keep_random_base
from .allocator import set_allocator
from .checkpoints import CheckpointInterval, naming
from .loaders import loader_arguments, spare_step, steps_per_epoch
from .options import resolve_options
from .precision import unfuse_attention, without_emulated_bf16
from .steps import SteppingBrain
from .whole_checkpoints import tidy_checkpoints

OURS = ("scheduler", "groups")  # arguments of SteppingBrain
INTERVALS = ("ckpt_interval_minutes", "ckpt_interval_steps")


class ResumableBrain(SteppingBrain):
    """A Brain whose every step is a function of seed, epoch, step and rank.

    Arguments
    ---------
    modules : dict
        As for ``speechbrain.Brain``.
    seed : int
        Seeds the order of the clips, dropout and augmentation; the last two
        differently in every process.
    hparams, run_opts
        As for ``speechbrain.Brain``.
    **kwargs : dict
        ``opt_class`` and ``checkpointer``, as for ``speechbrain.Brain``;
        ``scheduler`` and ``groups``, as for ``steps.SteppingBrain``.
    """

    def __init__(self, modules, *, seed, hparams=None, run_opts=None, **kwargs):
        hparams = hparams or {}
        options = without_emulated_bf16(resolve_options(run_opts, hparams))
        every = {name: options[name] for name in INTERVALS}
        # PETLBrain's on_fit_batch_end saves
        options |= dict.fromkeys(INTERVALS, 0)
        others = {k: v for k, v in hparams.items() if k not in options}
        theirs = {k: v for k, v in kwargs.items() if k not in OURS}
        check_arguments(sb.Brain, modules, key="brain", **theirs)
        for name, module in modules.items():
            if not isinstance(module, torch.nn.Module):
                raise InputError(f"modules: {name}: {module} is no module")
        super().__init__(modules, hparams=others, run_opts=options, **kwargs)
        self.interval = CheckpointInterval(*every.values())
        if self.device_type == "cpu":
            set_allocator(self.modules)
            if self.precision == "bf16":
                unfuse_attention(self.modules)
        # --debug gives each process a folder of its own: they take the first's
        folder = self.checkpointer.checkpoints_dir
        self.checkpointer.checkpoints_dir = ddp_broadcast(folder)
        self.seed, self.balance = seed, False
        self.epoch = 0
        self.told = None  # training clips to be told where the run is

    def go_on_in(self, path, epochs, select, keep):
        """Make a run folder ready: what is whole in it stays, no more.

        Arguments
        ---------
        path : str
            Of the result.json in it.
        epochs : int or None
            That the learning rate falls over; None for no training.
        select, keep
            As for ``whole_checkpoints.tidy_checkpoints``.
        """
        if epochs is not None:
            check_count("epoch_counter: limit", epochs)
        check_count("brain: average", keep)
        self.epochs = epochs
        checkpoints = self.checkpointer.checkpoints_dir
        run_on_main(tidy_checkpoints, [checkpoints, select, keep])
        begun = self.checkpointer.find_checkpoint() is not None
        for name, module in self.modules.items():
            keep_random_base(module, Path(path).parent, begun, name)

    def make_dataloader(
        self, dataset, stage, ckpt_prefix="dataloader-", **loader_kwargs
    ):
        """As SpeechBrain's, but every stage's clips are dealt out by us."""
        loader = loader_arguments(self, dataset, stage, **loader_kwargs)
        dynamic = "batch_sampler" in loader
        try:
            with self._launched(self.distributed_launch and dynamic):
                made = super().make_dataloader(
                    dataset, stage, ckpt_prefix, **loader
                )
        except (TypeError, ValueError) as error:  # batch_size=0
            raise InputError(f"loader: {error}")
        if stage == sb.Stage.TRAIN:
            self.train_sampler = made.batch_sampler if dynamic else made.sampler
            self.spare_step = spare_step(made)
            self.steps_per_epoch = steps_per_epoch(
                made, self.grad_accumulation_factor
            )
            self.told = dataset if hasattr(dataset, "start") else None
        return made

    @contextmanager
    def _launched(self, value):
        """What SpeechBrain does for several processes, inside, or does not."""
        launched = self.distributed_launch
        self.distributed_launch = value
        try:
            yield
        finally:
            self.distributed_launch = launched

    def epochs_left(self, counter):
        """The epochs of a run, until it has taken all the steps it may.

        Arguments
        ---------
        counter : speechbrain.utils.epoch_loop.EpochCounter
            Counts to the number of epochs.

        Yields
        ------
        int
            The next epoch, or the one that goes on.
        """
        limit = self.optimizer_step_limit
        while True:
            if self.debug and 0 < self.debug_epochs <= counter.current:
                return
            done = limit is not None and self.optimizer_step >= limit
            if done and self.step == 0:  # and in the middle of no epoch
                return
            epoch = next(counter, None)
            if epoch is None:
                return
            yield epoch

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
        return random_sampler(dataset, seed, self.balance)

    def on_fit_start(self):
        """As SpeechBrain's, with BatchNorm as it is on a CPU.

        For DDP it makes every BatchNorm a synchronised one, which only a GPU
        can compute: there, the wrapping is left to us.
        """
        ours = self.distributed_launch and self.device_type == "cpu"
        newest = self.checkpointer.find_checkpoint()
        path = newest.path if newest else "no checkpoint"
        with naming(path), self._launched(self.distributed_launch and not ours):
            super().on_fit_start()
        if not ours:
            return
        for name, module in self.modules.items():
            if any(p.requires_grad for p in module.parameters()):
                self.modules[name] = DistributedDataParallel(
                    module, find_unused_parameters=self.find_unused_parameters
                )

    def on_stage_start(self, stage, epoch=None):
        """Note where the run is; training clips that draw go on from there."""
        super().on_stage_start(stage, epoch)
        self.stage = stage
        self.epoch = epoch or self.epoch
        self.interval.restart()
        if stage == sb.Stage.TRAIN and self.told is not None:
            self.told.start(self.epoch, self.step)

    def on_fit_batch_start(self, batch, should_step):
        """Seed the step, so that a resumed run draws what it would have."""
        name = f"{self.seed} {self.epoch} {self.step} {self.rank}"
        torch.manual_seed(random.Random(name).getrandbits(63))
