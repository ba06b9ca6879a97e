"""mAP, AUC and d': scikit-learn's numbers, also from two processes."""

import os
from statistics import NormalDist

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from speechbrain_petl.training.metrics.tagging import (
    DPrime,
    MeanAUC,
    MeanAveragePrecision,
)
from torch import distributed, multiprocessing

CLIPS, CLASSES = 301, 7  # neither is even
METRICS = {"mAP": MeanAveragePrecision, "AUC": MeanAUC, "d'": DPrime}


def predictions(seed=0, ties=False):
    """Random logits and targets, any number of labels to a clip."""
    random = torch.Generator().manual_seed(seed)
    targets = (torch.rand(CLIPS, CLASSES, generator=random) < 0.1).float()
    logits = torch.randn(CLIPS, CLASSES, generator=random) + targets
    return (logits * 2).round() if ties else 30 * logits, targets


def compute(logits, targets, batch=16):
    """All metrics, counted in batches."""
    metrics = {name: metric(CLASSES) for name, metric in METRICS.items()}
    for part in zip(logits.split(batch), targets.split(batch)):
        for metric in metrics.values():
            metric.update(*part)
    return {name: metric.compute() for name, metric in metrics.items()}


def sklearns(logits, targets):
    """The same figures by scikit-learn."""
    auc = roc_auc_score(targets, logits, average="macro")
    return {
        "mAP": average_precision_score(targets, logits, average="macro"),
        "AUC": auc,
        "d'": 2**0.5 * NormalDist().inv_cdf(auc),
    }


def check(ours, theirs):
    for name, value in theirs.items():
        assert float(ours[name]) == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_as_scikit_learn(seed, ties):
    """Logits that saturate a sigmoid, or that many clips share."""
    data = predictions(seed, ties)
    check(compute(*data), sklearns(*data))


def test_classes_without_a_curve_are_left_out(caplog):
    """And named in number: no positive clips, or nothing else."""
    logits, targets = predictions()
    targets[:, 2], targets[:, 5] = 0, 1
    rated = [0, 1, 3, 4, 6]
    check(
        compute(logits, targets), sklearns(logits[:, rated], targets[:, rated])
    )
    assert "2 of 7 classes" in caplog.text
    assert caplog.text.count("no positive") == 1


def test_nothing_to_rate():
    """No number rather than a wrong one."""
    for metric in METRICS.values():
        unused = metric(CLASSES)
        unused.update(torch.zeros(2, CLASSES), torch.zeros(2, CLASSES))
        assert unused.compute().isnan()


def in_two_processes(rank, folder, cut):
    """Each process counts a part, of another size, of the same clips."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    part = slice(None, cut) if rank == 0 else slice(cut, None)
    torch.save(
        compute(*(x[part] for x in predictions())), folder / f"{rank}.pt"
    )
    distributed.destroy_process_group()


@pytest.mark.parametrize("cut", [100, 0])
def test_two_processes_count_as_one(tmp_path, cut):
    """Uneven parts, and a process that has no clip at all."""
    # forked, since a new interpreter takes seconds to import everything
    multiprocessing.start_processes(
        in_two_processes, args=(tmp_path, cut), nprocs=2, start_method="fork"
    )
    for rank in range(2):
        check(torch.load(tmp_path / f"{rank}.pt"), sklearns(*predictions()))


def test_scores_are_in_no_checkpoint():
    """An epoch of AudioSet's would be 80 MB a metric."""
    metric = MeanAUC(CLASSES)
    metric.persistent(True)
    metric.update(*predictions())
    assert not metric.state_dict()
