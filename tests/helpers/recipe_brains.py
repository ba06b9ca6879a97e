"""The Brain of any row of SpeechBrain's recipe lists, ready to train."""

import os

import pytest
from method_files import ROOT
from recipe_rows import lists, rows_of
from running import load_train
from speechbrain_petl import PETLBrain

ALL_ROWS = [row for path in lists() for row in rows_of(path)]
ROWS = {  # one for each script and kind of encoder: they share the datasets
    (row["Script_file"], os.path.dirname(row["Hparam_file"])): row
    for row in ALL_ROWS
}
# tried at once, the others are slow: a method on each encoder, and each script
QUICK = {
    ("ESC50", "hparams/conformer"),
    ("ESC50", "hparams/loha"),
    ("ESC50", "hparams/beats/lora"),
    ("IEMOCAP", "hparams/wav2vec2/conformer"),
    ("GoogleSpeechCommands", "hparams/whisper/soft_moa"),
    ("FluentSpeechCommands", "hparams/seq2seq/lora"),
    *((name, "hparams/lora") for name in ("AudioSet", "BrazilianAccents")),
    *((name, "hparams/lora") for name in ("IEMOCAP", "SampleIdentification")),
}


def every_row(quick=QUICK):
    """All rows as parameters of a test; all but the quick ones are slow."""
    for row in ALL_ROWS:
        name = row["Hparam_file"].removesuffix(".yaml").split("/", 2)[1:]
        marks = () if tuple(name) in quick else pytest.mark.slow
        yield pytest.param(row, id="-".join(name), marks=marks)


def stopped(row, samples, output, monkeypatch, more=()):
    """Run a script up to its training: the Brain, data sets, loader."""
    given = []

    def stop(brain, counter, datasets, loader, result, path):
        given.extend([brain, datasets, loader])
        raise StopIteration

    monkeypatch.chdir(samples)
    monkeypatch.setattr(PETLBrain, "train_and_test", stop)
    script = ROOT / row["Script_file"]
    main = load_train(script.parent, script.name).main
    argv = [str(ROOT / row["Hparam_file"]), *row["test_debug_flags"].split()]
    argv += ["--device=cpu", f"--output_folder={output}", *more]
    with pytest.raises(StopIteration):
        main(argv)
    return given


def first_data(datasets):
    """What a row trains on; one that only tests has nothing else."""
    return datasets["train" if "train" in datasets else "test"]
