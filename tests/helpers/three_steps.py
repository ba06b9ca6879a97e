"""Three steps of the recipe in SpeechBrain's tree, in its own process.

> python three_steps.py STATE.pt MANIFEST.json OVERRIDES
"""

import json
import sys

import torch

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import run_on_main  # noqa: F401

BATCHES = ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 0, 5))  # places in the manifest


def losses_of(brain, dataset, stage):
    """The loss of each batch, and what it teaches."""
    brain.on_fit_start()
    brain.modules.train()
    brain.nonfinite_count = 0
    brain.on_fit_batch_start = lambda batch, should_step: torch.manual_seed(
        brain.step
    )
    found = []
    for number, places in enumerate(BATCHES):
        brain.on_stage_start(stage, epoch=1)
        brain.step = number + 1
        batch = PaddedBatch([dataset[place] for place in places])
        found.append(float(brain.fit_batch(batch)))
    return found


def main(state, manifest, overrides):
    """Print the losses as json."""
    import train  # the recipe's, in whose folder this runs
    from hyperpyyaml import load_hyperpyyaml

    import speechbrain as sb

    with open("hparams/method.yaml", encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    for split in ("train", "valid", "test"):
        hparams[f"{split}_annotation"] = manifest
    datasets = train.dataio_prep(hparams)
    hparams["adapted_encoder"].insert_adapters()
    state = torch.load(state, weights_only=True)
    model = hparams["adapted_encoder"].adapted_model
    model.load_state_dict(state["encoder"])
    hparams["classifier"].load_state_dict(state["classifier"])
    brain = train.ESC50Brain(
        hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts={"device": "cpu"},
    )
    brain.steps = len(BATCHES)
    print(json.dumps(losses_of(brain, datasets["train"], sb.Stage.TRAIN)))


if __name__ == "__main__":
    sys.path.insert(0, ".")
    main(*sys.argv[1:])
