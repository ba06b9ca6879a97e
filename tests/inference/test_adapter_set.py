"""Several adapters on one base: who says what, in how much memory and time."""

import gc
import shutil
import statistics
import time

import pytest
import torch
from finished_runs import altered, run_of, unseal
from running import run as train
from speechbrain_petl import AdapterSet, AudioClassifier, InputError
from speechbrain_petl.inference.reading import HPARAMS
from speechbrain_petl.weights.adapter_files import WEIGHTS

CPU = {"device": "cpu"}
OTHERS = ("full", "dora", "prompt_deep", "conformer", "soft_moa", "bitfit")
TEN = 10


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    """Runs on one base: some of one method, and one of each of others."""
    folder, first = tmp_path_factory.mktemp("runs"), finished("ESC50")
    runs = {"lora0": first}
    for seed in (1, 2):
        runs[f"lora{seed}"] = altered(first, folder / f"lora{seed}", seed=seed)
    for method in OTHERS:
        runs[method] = run_of(method, first, folder / method)
    return runs


@pytest.fixture(scope="module")
def adapters(runs):
    """All of them in one set."""
    made = AdapterSet(run_opts=CPU)
    for name, run in runs.items():
        made.add(name, run)
    return made


def noise(batch=4):
    """Waveforms (batch, sample)."""
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 9000, generator=generator) / 10


def storages(adapters):
    """Address -> bytes of all tensors of a set."""
    found = {}
    for classifier in adapters.classifiers.values():
        mods = classifier.mods
        # not state_dict, which some buffers are not in
        for x in [*mods.parameters(), *mods.buffers()]:
            storage = x.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
    return found


def test_each_is_as_alone(adapters, runs):
    """Of any method, whatever was added before and after it."""
    assert list(adapters) == list(runs) and len(adapters) == len(runs)
    wavs, said = noise(), {}
    for name, run in [*runs.items(), *runs.items()]:
        alone = AudioClassifier.from_run(run, merge=False, run_opts=CPU)
        said[name] = adapters[name].classify_batch(wavs)[0]
        assert torch.equal(said[name], alone.classify_batch(wavs)[0]), name
    answers = list(said.values())
    assert len({tuple(x.flatten().tolist()) for x in answers}) == len(runs)


def test_one_base_in_memory(runs, adapters):
    """Another adapter adds what it has learned, and nothing else."""
    made = AdapterSet(run_opts=CPU)
    made.add("first", runs["lora0"])
    before = sum(storages(made).values())
    for number in range(1, TEN):
        made.add(f"copy{number}", runs[f"lora{number % 3}"])
    grown = sum(storages(made).values()) - before
    learned = (TEN - 1) * runs["lora0"].joinpath(WEIGHTS).stat().st_size
    assert 0.5 * learned < grown < 1.1 * learned
    base = {p.data_ptr() for p in made.encoder.parameters()}
    for name in made:
        own = dict(made[name].mods.encoder.named_parameters())
        frozen = own["encoder.blocks.0.mlp.fc1.weight"]
        assert frozen.data_ptr() in base
        assert own["encoder.norm.weight"].data_ptr() not in base


def test_a_mixed_batch(adapters, runs):
    """Each clip by its own adapter, in the order of the batch."""
    wavs, wav_lens = noise(6), torch.tensor([1.0, 0.5, 1.0, 0.8, 1.0, 0.3])
    names = ["lora1", "full", "lora1", "soft_moa", "lora0", "full"]
    mixed = adapters.classify_batch(wavs, names, wav_lens)
    for i, name in enumerate(names):
        alone = wavs[i : i + 1, : int(9000 * wav_lens[i])]
        wanted = adapters[name].classify_batch(alone)
        torch.testing.assert_close(mixed[i][0], wanted[0][0])
        assert mixed[i][2] == wanted[2][0] and mixed[i][3] == wanted[3][0]
    torch.testing.assert_close(
        adapters.classify_batch(wavs, ["full"] * 6)[2][0],
        adapters["full"].classify_batch(wavs)[0][2],
    )
    with pytest.raises(InputError, match="6 clips and 2 names of adapters"):
        adapters.classify_batch(wavs, ["full", "lora0"])
    with pytest.raises(InputError, match="no adapter 'lora9'"):
        adapters.classify_batch(wavs, ["lora9"] * 6)


def test_unknown_names(adapters):
    """With the nearest ones."""
    with pytest.raises(InputError, match="'lora3'. Did you mean lora"):
        adapters["lora3"]
    with pytest.raises(InputError, match="were added: none"):
        AdapterSet()["lora"]


def test_a_name_is_replaced(runs):
    """By the one that came last."""
    made = AdapterSet(run_opts=CPU)
    made.add("it", runs["lora0"])
    first = made["it"].classify_batch(noise())[0]
    made.add("it", runs["lora1"])
    assert len(made) == 1
    assert not torch.equal(made["it"].classify_batch(noise())[0], first)


def test_another_base_is_refused(runs, tmp_path):
    """By its description, or by its hash; the set stays as it was."""
    made = AdapterSet(run_opts=CPU)
    made.add("first", runs["lora0"])
    said = made["first"].classify_batch(noise())[0]
    run = shutil.copytree(runs["lora0"], tmp_path / "run")
    unseal(run / "result.json")
    text = (run / HPARAMS).read_text()
    assert text.count("\n  frames: 64") == 2  # of the encoder and the fbank
    (run / HPARAMS).write_text(text.replace("\n  frames: 64", "\n  frames: 96"))
    with pytest.raises(InputError, match="put it into a set of its own"):
        made.add("longer", run)
    (run / HPARAMS).write_text(text)
    weights = run / WEIGHTS
    content = weights.read_bytes()
    start = content.index(b'"base_sha256":"') + len(b'"base_sha256":"')
    wrong = content[:start] + b"0" * 64 + content[start + 64 :]
    weights.write_bytes(wrong)
    with pytest.raises(InputError, match="was trained on another base"):
        made.add("wrong", run)
    assert list(made) == ["first"]
    assert torch.equal(made["first"].classify_batch(noise())[0], said)


def test_another_kept_base_is_refused(esc50, tmp_path):
    """The base of another seed is not copied into what the first one holds."""
    folders = {}
    for name, seed, method in (
        ("first", 1, "lora"),
        ("same", 1, "linear"),
        ("other", 2, "lora"),
        ("whole", 3, "full"),
    ):
        folders[name] = tmp_path / name
        options = ("--epochs=1", f"--seed={seed}")
        train(esc50, folders[name], *options, method=method)
    made = AdapterSet(run_opts=CPU)
    # what was trained whole goes by no base, and what is refused by none
    made.add("whole", folders["whole"])
    made.add("first", folders["first"])
    said = {name: made[name].classify_batch(noise())[0] for name in made}
    with pytest.raises(InputError, match="other was trained on another base"):
        made.add("other", folders["other"])
    made.add("same", folders["same"])
    assert list(made) == ["whole", "first", "same"]
    for name in made:
        alone = AudioClassifier.from_run(
            folders[name], merge=False, run_opts=CPU
        ).classify_batch(noise())[0]
        assert torch.equal(made[name].classify_batch(noise())[0], alone)
        assert torch.equal(said.get(name, alone), alone)


def test_what_could_not_be_added_leaves_nothing(finished, esc50, tmp_path):
    """The next one may be of another encoder."""
    train(esc50, tmp_path / "other", "--epochs=1", "--frames=96")
    broken = shutil.copytree(finished("ESC50"), tmp_path / "broken")
    unseal(broken / "result.json")
    content = (broken / WEIGHTS).read_bytes()
    start = content.index(b'"base_sha256":"') + len(b'"base_sha256":"')
    wrong = content[:start] + b"0" * 64 + content[start + 64 :]
    (broken / WEIGHTS).write_bytes(wrong)
    made = AdapterSet(run_opts=CPU)
    with pytest.raises(InputError, match="was trained on another base"):
        made.add("broken", broken)
    made.add("other", tmp_path / "other")
    assert list(made) == ["other"]


@pytest.mark.slow
def test_switching_costs_nothing(runs):
    """Less than 1 % of a forward, and the forward of a switched is as fast.

    In CPU time, which other programs do not lengthen.
    """
    made = AdapterSet(run_opts=CPU)
    for number in range(TEN):
        made.add(f"lora{number}", runs[f"lora{number % 3}"])
    wavs, times, start = noise(8), {1: [], TEN: []}, time.process_time()
    for number in range(1000):
        made[f"lora{number % TEN}"]
    lookup = (time.process_time() - start) / 1000
    gc.collect()
    for number in range(200):
        for adapters in times:
            start = time.process_time()
            made[f"lora{number % adapters}"].classify_batch(wavs)
            times[adapters].append(time.process_time() - start)
    one, ten = map(statistics.median, times.values())
    assert lookup < 0.01 * one
    assert ten < 1.05 * one
