"""SpeechBrain's training loop, mended where adaptation needs it to be.

Steps that a killed run repeats exactly, gradients clipped in all groups, clips
dealt the same way to any number of processes, checkpoints whole or gone.
"""

import random
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import IterableDataset

import speechbrain as sb
from speechbrain.utils.distributed import ddp_broadcast, run_on_main
from speechbrain.utils.logger import get_logger

from ..errors import InputError, check_arguments, check_count
from ..weights.kept_base import keep_random_base
from .allocator import set_allocator
from .checkpoints import (
    LAST_RECOVERABLE,
    CheckpointInterval,
    naming,
    save_at_once,
)
from .loaders import loader_arguments, random_sampler, steps_per_epoch
from .options import resolve_options
from .precision import unfuse_attention, without_emulated_bf16
from .whole_checkpoints import tidy_checkpoints

logger = get_logger(__name__)

ENCODER = "encoder"  # the module whose base may be nobody else's
INTERVALS = ("ckpt_interval_minutes", "ckpt_interval_steps")


class ResumableBrain(sb.Brain):
    """A Brain whose every step is a function of seed, epoch, step and rank.

    Arguments
    ---------
    modules : dict
        As for ``speechbrain.Brain``.
    seed : int
        Seeds the order of the clips, dropout and augmentation; the last two
        differently in every process.
    hparams : dict, optional
        As for ``speechbrain.Brain``.
    run_opts : speechbrain.utils.run_opts.RunOptions or dict, optional
        As for ``speechbrain.Brain``.
    **kwargs : dict
        ``opt_class`` and ``checkpointer``, as for ``speechbrain.Brain``.
    """

    def __init__(self, modules, *, seed, hparams=None, run_opts=None, **kwargs):
        hparams = hparams or {}
        options = without_emulated_bf16(resolve_options(run_opts, hparams))
        every = {name: options[name] for name in INTERVALS}
        options |= dict.fromkeys(
            INTERVALS, 0
        )  # PETLBrain's on_fit_batch_end saves
        others = {k: v for k, v in hparams.items() if k not in options}
        check_arguments(sb.Brain, modules, key="brain", **kwargs)
        super().__init__(modules, hparams=others, run_opts=options, **kwargs)
        self.interval = CheckpointInterval(*every.values())
        if self.device_type == "cpu":
            set_allocator(self.modules)
            if self.precision == "bf16":
                unfuse_attention(self.modules)
        # --debug gives each process a folder of its own: they take the first's
        folder = self.checkpointer.checkpoints_dir
        self.checkpointer.checkpoints_dir = ddp_broadcast(folder)
        self.seed = seed
        world = torch.distributed.is_initialized()
        self.processes = torch.distributed.get_world_size() if world else 1
        self.rank = torch.distributed.get_rank() if world else 0
        self.epoch = 0
        self.epochs = 1  # that the learning rate falls over
        self.stream = None  # of training clips that orders them by itself

    def go_on_in(self, path, epochs, select, keep):
        """Make a run folder ready: what is whole in it stays, no more.

        Arguments
        ---------
        path : str
            Of the result.json in it.
        epochs : int
            That the learning rate falls over.
        select : str or None
            As for ``whole_checkpoints.tidy_checkpoints``.
        keep : int
            As for ``whole_checkpoints.tidy_checkpoints``.
        """
        check_count("epoch_counter: limit", epochs)
        check_count("brain: average", keep)
        self.epochs = epochs
        checkpoints = self.checkpointer.checkpoints_dir
        run_on_main(tidy_checkpoints, [checkpoints, select, keep])
        if ENCODER in self.modules:
            keep_random_base(self.modules[ENCODER], Path(path).parent)

    def make_dataloader(
        self, dataset, stage, ckpt_prefix="dataloader-", **loader_kwargs
    ):
        """As SpeechBrain's, but validation and test are dealt out too.

        Arguments
        ---------
        dataset : torch.utils.data.Dataset
            What to load.
        stage : speechbrain.Stage
            TRAIN, VALID or TEST.
        ckpt_prefix : str
            As in ``speechbrain.Brain.make_dataloader``.
        **loader_kwargs : dict
            As for ``loaders.loader_arguments``.

        Returns
        -------
        torch.utils.data.DataLoader
            The loader.
        """
        loader = loader_arguments(self, dataset, stage, **loader_kwargs)
        try:
            made = super().make_dataloader(
                dataset, stage, ckpt_prefix, **loader
            )
        except (TypeError, ValueError) as error:  # batch_size=0
            raise InputError(f"loader: {error}")
        if stage == sb.Stage.TRAIN:
            dynamic = "batch_sampler" in loader
            self.train_sampler = made.batch_sampler if dynamic else made.sampler
            self.steps_per_epoch = steps_per_epoch(
                made, self.grad_accumulation_factor
            )
            if isinstance(dataset, IterableDataset):
                self.stream = dataset
        return made

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
        return random_sampler(dataset, seed)

    def on_fit_start(self):
        """As SpeechBrain's, with BatchNorm as it is on a CPU.

        For DDP it makes every BatchNorm a synchronised one, which only a GPU
        can compute: there, the wrapping is left to us.
        """
        launched = self.distributed_launch
        on_cpu = self.device_type == "cpu"
        self.distributed_launch = launched and not on_cpu
        newest = self.checkpointer.find_checkpoint()
        with naming(newest.path if newest else "no checkpoint"):
            super().on_fit_start()
        self.distributed_launch = launched
        if not (launched and on_cpu):
            return
        for name, module in self.modules.items():
            if any(p.requires_grad for p in module.parameters()):
                self.modules[name] = DistributedDataParallel(
                    module, find_unused_parameters=self.find_unused_parameters
                )

    def init_optimizers(self):
        """One optimizer over the trainable parameters, cosine to zero."""
        trainable = [p for p in self.modules.parameters() if p.requires_grad]
        try:
            self.optimizer = self.opt_class(trainable)
        except (TypeError, ValueError) as error:  # lr=-1, or no such argument
            raise InputError(f"opt_class: {error}")
        self.optimizers_dict = {"opt_class": self.optimizer}
        steps = self.epochs * self.steps_per_epoch
        self.scheduler = CosineAnnealingLR(self.optimizer, steps)
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        self.checkpointer.add_recoverable(
            LAST_RECOVERABLE, self.scheduler, custom_save_hook=save_at_once
        )

    def on_stage_start(self, stage, epoch=None):
        """Note where the run is; a stream of clips goes on from there.

        Arguments
        ---------
        stage : speechbrain.Stage
            TRAIN, VALID or TEST.
        epoch : int
            The current epoch.
        """
        self.stage = stage
        self.epoch = epoch or self.epoch
        self.interval.restart()
        if stage == sb.Stage.TRAIN and self.stream is not None:
            self.stream.start(self.epoch, self.step)

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
