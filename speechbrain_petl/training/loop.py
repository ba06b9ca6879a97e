"""SpeechBrain's training loop, mended where adaptation needs it to be.

Steps that a killed run repeats exactly, gradients clipped in all groups, clips
shared out the same way for any number of processes, checkpoints whole or gone.
"""

import logging
import os
import random
import shutil
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import IterableDataset

import speechbrain as sb
from speechbrain.core import INTRA_EPOCH_CKPT_FLAG
from speechbrain.dataio.sampler import ReproducibleRandomSampler
from speechbrain.utils.distributed import ddp_broadcast, main_process_only
from speechbrain.utils.logger import get_logger

from ..data.batches import dynamic_batches
from ..errors import InputError
from .allocator import keep_large_blocks, return_large_blocks
from .precision import leave_emulated_bf16

logger = get_logger(__name__)

LAST_RECOVERABLE = "scheduler"  # the last file of a checkpoint to be written


class ResumableBrain(sb.Brain):
    """A Brain whose every step is a function of seed, epoch, step and rank.

    Arguments
    ---------
    modules : dict
        As for ``speechbrain.Brain``.
    seed : int
        Seeds the order of the clips, dropout and augmentation; the last two
        differently in every process.
    **kwargs : dict
        ``opt_class``, ``hparams``, ``run_opts``, ``checkpointer``, as for
        ``speechbrain.Brain``.
    """

    def __init__(self, modules, *, seed, **kwargs):
        super().__init__(modules, **kwargs)
        if self.device_type == "cpu":
            saving = any(
                getattr(module, "gradient_checkpointing", False) is True
                for module in self.modules.modules()
            )
            (return_large_blocks if saving else keep_large_blocks)()
        leave_emulated_bf16(self)
        # --debug gives each process a folder of its own: they share the first's
        folder = self.checkpointer.checkpoints_dir
        self.checkpointer.checkpoints_dir = ddp_broadcast(folder)
        self.seed = seed
        world = torch.distributed.is_initialized()
        self.processes = torch.distributed.get_world_size() if world else 1
        self.rank = torch.distributed.get_rank() if world else 0
        self.epoch = 0
        self.epochs = 1  # that the learning rate falls over

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
            Arguments of the loader; and ``dynamic_batch``, for training
            those of ``batches.dynamic_batches`` in place of ``batch_size``.

        Returns
        -------
        torch.utils.data.DataLoader
            The loader.
        """
        dynamic = loader_kwargs.pop("dynamic_batch", None)
        if isinstance(dataset, IterableDataset):
            # a stream orders its clips and shares them out by itself
            loader_kwargs.pop("shuffle", None)
        elif stage == sb.Stage.TRAIN:
            if loader_kwargs.pop("shuffle", False):
                seed = random.Random(self.seed).getrandbits(31)
                if dynamic:
                    loader_kwargs.pop("batch_size", None)
                    loader_kwargs["batch_sampler"] = dynamic_batches(
                        dataset, dynamic, seed, self.processes
                    )
                else:
                    loader_kwargs["sampler"] = self.make_sampler(dataset, seed)
        elif self.distributed_launch and len(dataset) >= self.processes:
            share = range(self.rank, len(dataset), self.processes)
            loader_kwargs["sampler"] = share
        try:
            loader = super().make_dataloader(
                dataset, stage, ckpt_prefix, **loader_kwargs
            )
        except (TypeError, ValueError) as error:  # batch_size=0
            raise InputError(f"loader: {error}")
        if stage == sb.Stage.TRAIN:
            self.train_sampler = (
                loader.batch_sampler if dynamic else loader.sampler
            )
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

    @main_process_only
    def drop_unfinished_checkpoints(self):
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
        self.checkpointer.save_and_keep_only(
            end_of_epoch=False,
            meta={INTRA_EPOCH_CKPT_FLAG: True},
            ckpt_predicate=lambda c: INTRA_EPOCH_CKPT_FLAG in c.meta,
            importance_keys=[],  # the default one grows with every save
            verbosity=logging.DEBUG,
        )


@main_process_only
def _save_at_once(recoverable, path):
    torch.save(recoverable.state_dict(), f"{path}.part")
    os.replace(f"{path}.part", path)
