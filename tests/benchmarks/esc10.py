"""A run of the ESC-50 recipe on real clips, with a clock in its loop."""

import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

BATCH = 16
PROBED = (192, 6, 3)  # size of the AST of the probe


def clips_of(options):
    """The folder with the clips, or generated ones."""
    if options.clips:
        return Path(options.clips)
    from layouts import make_esc50

    return make_esc50(Path(tempfile.mkdtemp()), clips=1 if options.quick else 8)


def source_of(size):
    """The same random weights for every run."""
    from speechbrain_petl.weights.loading import save_pretrained

    from .subjects import encoder_of

    path = Path(tempfile.gettempdir()) / f"ast_{'_'.join(map(str, size))}.pt"
    save_pretrained(encoder_of(size), path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def clocked(brain):
    """A subclass of a Brain that knows how long its training steps took."""

    class Clocked(brain):
        """Counts the seconds of training, inside and outside of steps."""

        stages, inside, files = [], 0.0, []

        def fit_batch(self, batch):
            """One step, on the clock."""
            begin = time.perf_counter()
            loss = super().fit_batch(batch)
            type(self).inside += time.perf_counter() - begin
            return loss

        def on_stage_start(self, stage, epoch=None):
            """Start the clock of a stage."""
            super().on_stage_start(stage, epoch)
            self.begin = time.perf_counter()

        def on_stage_end(self, stage, loss, epoch=None):
            """Stop it."""
            if stage.name == "TRAIN":
                took = time.perf_counter() - self.begin
                type(self).stages.append(took)
            super().on_stage_end(stage, loss, epoch)

    return Clocked


def run(
    options, method, epochs, cache, size=PROBED, precision="fp32", workers=2
):
    """Train without augmentation; seconds, accuracy, share of waiting."""
    from running import ESC50, load_train

    train = load_train()
    train.ESC50Brain = clocked(train.ESC50Brain)
    clips = clips_of(options)
    # a worker would take a core from the training
    workers = 0 if cache or options.device == "cpu" else workers
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            str(ESC50 / "hparams" / f"{method}.yaml"),
            f"--data_folder={clips}",
            f"--output_folder={folder}/run",
            f"--source={source_of(size)}",
            f"--ast_size={list(size)}",
            f"--epochs={epochs}",
            f"--batch_size={BATCH}",
            "--esc10=True",
            "--augment=!new:speechbrain_petl.Augment",
            f"--num_workers={'null' if workers is None else workers}",
            "--ckpt_interval_minutes=60",
            f"--device={options.device}",
            f"--precision={precision}",
            "--noprogressbar",
        ]
        if cache:
            kept = json.dumps(
                {"cache": cache, "cache_folder": f"{folder}/kept"}
            )
            arguments.append(f"--brain={kept}")
        begin = time.perf_counter()
        result = train.main(arguments)
        took = time.perf_counter() - begin
    brain = train.ESC50Brain
    total = sum(brain.stages)
    files = sorted(str(path) for path in clips.glob("audio/*.wav"))
    return {
        "seconds": took if cache else result["seconds"],
        "accuracy": result["metrics"]["accuracy"],
        "epoch": min(brain.stages[1:] or brain.stages),
        "waiting": 1 - brain.inside / total,
        "files": files[: len(files) * 3 // 5],  # as many as are trained on
        "batch": BATCH,
        "clips": len(files),
        "size": list(size),
    }
