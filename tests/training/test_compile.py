"""torch.compile of the whole compute_forward of every method file."""

import pytest
import torch
from recipe_brains import every_row, first_data

from speechbrain import Stage

RECOMPILATIONS = 2  # of an epoch whose last batch is short


class Counting:
    """A backend that compiles nothing and counts what it was given."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, graph, inputs):
        """The graph as it is."""
        self.graphs += 1
        return graph.forward


QUICK = {("ESC50", "hparams/loha"), ("IEMOCAP", "hparams/wav2vec2/conformer")}


@pytest.mark.parametrize("row", every_row(QUICK))
def test_one_graph(row, recipe_brain):
    """fullgraph=True; the same numbers, and few graphs in two epochs."""
    torch.compiler.reset()
    brain, datasets, loader = recipe_brain(row)
    brain.modules.train()
    brain.stage = Stage.TRAIN
    backend = Counting()
    compiled = torch.compile(
        brain.compute_forward, fullgraph=True, backend=backend
    )
    data = first_data(datasets)
    for batch in brain.make_dataloader(data, Stage.TRAIN, **loader):
        torch.manual_seed(1)
        expected = brain.compute_forward(batch, Stage.TRAIN)
        torch.manual_seed(1)
        actual = compiled(batch, Stage.TRAIN)
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
        actual[0].sum().backward()
    assert backend.graphs <= 1 + RECOMPILATIONS
