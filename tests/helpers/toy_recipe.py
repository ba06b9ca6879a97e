"""A recipe for the tests of sweeps: base.yaml, methods and a light train.py.

Its train.py does in a moment what matters to a sweep: it goes on where it was
killed, one file for each step, and writes result.json at the end.
"""

BASE = """\
seed: 1
fold: 1
protocol: 3-1-1
shots: null
lr: 0.1
batch_size: 8
pause: 0.0
method: !PLACEHOLDER
output_folder: !ref results/<method>/fold<fold>_seed<seed>
result_file: !ref <output_folder>/result.json
result:
    method: !ref <method>
    protocol: !ref <protocol>
    fold: !ref <fold>
    folds: 3
    seed: !ref <seed>
    shots: !ref <shots>
"""
TRAIN = """\
import json, os, sys, time
from pathlib import Path

if os.environ.get("RANK", "0") != "0":
    sys.exit()
STEPS = 3
options = dict(a[2:].partition("=")[::2] for a in sys.argv[2:])
method = Path(sys.argv[1]).stem
name = f"fold{options.get('fold', 1)}_seed{options.get('seed', 1)}"
folder = options.get("output_folder", f"results/{method}/{name}")
folder = Path(folder)
(folder / "steps").mkdir(parents=True, exist_ok=True)
lr = float(options.get("lr", 0.1))
for step in range(STEPS):
    done = folder / "steps" / str(step)
    if not done.exists():
        print("step", step, flush=True)
        (folder / "started").touch()
        time.sleep(float(options.get("pause", 0)))
        done.touch()
if method == "broken" and not Path("mended").exists():
    sys.exit("error: this method is broken")
valid = 1 - abs(lr - 0.3)
result = {
    "options": options,
    "launched by": [k for k in os.environ if k.endswith("PROCID")],
    "processes": os.environ.get("WORLD_SIZE"),
    "threads": os.environ.get("OMP_NUM_THREADS"),
    "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    "select": "accuracy",
    "metrics": {"accuracy": 1 - valid},
    "history": [
        {"epoch": 1, "valid": {"accuracy": valid}},
        {"epoch": 2, "valid": {"accuracy": valid - 0.1}},
    ],
}
(folder / "result.json").write_text(json.dumps(result))
"""


def make_recipe(folder, methods=("lora", "linear")):
    """A recipe's folder with so many methods; "broken" is one that fails."""
    (folder / "hparams").mkdir(parents=True)
    (folder / "hparams" / "base.yaml").write_text(BASE)
    (folder / "train.py").write_text(TRAIN)
    for method in methods:
        path = folder / "hparams" / f"{method}.yaml"
        path.write_text(f"method: {method}\n")
    return folder
