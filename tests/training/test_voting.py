"""Votes per file: scikit-learn's numbers, also gathered from two processes."""

import os
from functools import partial

import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    top_k_accuracy_score,
)
from speechbrain_petl.experiments.plots import draw_confusion
from speechbrain_petl.training.metrics.voting import (
    PerFile,
    confusion,
    macro_f1,
    top,
    uar,
)
from torch import distributed, multiprocessing
from torch.nn.functional import one_hot

FILES, WINDOWS, CLASSES = 37, 301, 7  # neither is even
MEASURES = {
    "accuracy": top,
    "top-3": partial(top, k=3),
    "macro-F1": macro_f1,
    "UAR": uar,
    "confusion": confusion,
}


def predictions(seed=0, classes=CLASSES):
    """Random windows of random files: logits, targets, file numbers.

    The last class occurs nowhere but may be predicted.
    """
    random = torch.Generator().manual_seed(seed)
    truth = torch.randint(classes - 1, (FILES,), generator=random)
    files = torch.randint(FILES, (WINDOWS,), generator=random)
    logits = torch.randn(WINDOWS, classes, generator=random)
    logits += 0.5 * one_hot(truth[files], classes)
    return logits, one_hot(truth[files], classes).float(), files


def sklearns(logits, targets, files):
    """The same figures by scikit-learn, file by file."""
    log_probs = logits.double().log_softmax(1).numpy()
    numbers = sorted(set(files.tolist()))
    scores = [log_probs[files.numpy() == n].mean(0) for n in numbers]
    truth = [int(targets[files == n][0].argmax()) for n in numbers]
    predicted = [s.argmax() for s in scores]
    every = range(logits.shape[1])
    return {
        "accuracy": accuracy_score(truth, predicted),
        "top-3": top_k_accuracy_score(truth, scores, k=3, labels=every),
        "macro-F1": f1_score(truth, predicted, average="macro"),
        "UAR": balanced_accuracy_score(truth, predicted),
        "confusion": confusion_matrix(truth, predicted, labels=every),
    }


def compute(logits, targets, files, batch=16):
    """All measures, counted in batches."""
    metrics = {name: PerFile(measure) for name, measure in MEASURES.items()}
    for part in zip(
        logits.split(batch), targets.split(batch), files.split(batch)
    ):
        for metric in metrics.values():
            metric.update(*part)
    return {name: metric.compute() for name, metric in metrics.items()}


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("classes", [CLASSES, 4])
@pytest.mark.parametrize("seed", range(3))
def test_as_scikit_learn(seed, classes):
    """On random predictions, with a class that never occurs."""
    data = predictions(seed, classes)
    ours, theirs = compute(*data), sklearns(*data)
    for name, value in theirs.items():
        torch.testing.assert_close(
            ours[name].double(), torch.tensor(value).double(), msg=name
        )


def test_more_than_there_are_classes():
    """The top 5 of 4 classes hold all of them."""
    metric = PerFile(partial(top, k=5))
    metric.update(*predictions(classes=4))
    assert metric.compute() == 1


def test_one_of_several_labels_is_enough():
    """A song that uses two samples is right with either."""
    scores = torch.tensor([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0]])
    targets = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    assert top(scores, targets) == 0.5 and top(scores, targets, k=2) == 1


def in_two_processes(rank, folder):
    """Each process counts a part, of another size, of the same windows."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    cut = WINDOWS // 3
    part = slice(None, cut) if rank == 0 else slice(cut, None)
    shuffled = torch.randperm(WINDOWS, generator=torch.Generator())
    mine = [x[shuffled][part] for x in predictions()]
    torch.save(compute(*mine), folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_count_as_one(tmp_path):
    """Files are split between the processes, unevenly."""
    # forked, since a new interpreter takes seconds to import everything
    multiprocessing.start_processes(
        in_two_processes, args=(tmp_path,), nprocs=2, start_method="fork"
    )
    expected = compute(*predictions())
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        for name, value in expected.items():
            assert torch.equal(found[name], value), name


def test_state_survives_a_checkpoint():
    """A run that is resumed in mid-epoch goes on counting."""
    logits, targets, files = predictions()
    whole, first, second = PerFile(uar), PerFile(uar), PerFile(uar)
    whole.update(logits, targets, files)
    first.persistent(True)
    first.update(logits[:50], targets[:50], files[:50])
    second.persistent(True)
    second.load_state_dict(first.state_dict())
    second.update(logits[50:], targets[50:], files[50:])
    assert second.compute() == whole.compute()


def test_picture(tmp_path):
    """A png file, also of a class that never occurs."""
    rows = "id,label,predicted,p(ba),p(NA)\na,ba,ba,1,0\nb,ba,NA,0,1\n"
    (tmp_path / "predictions.csv").write_text(rows)
    draw_confusion(tmp_path / "predictions.csv", tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes()[1:4] == b"PNG"
