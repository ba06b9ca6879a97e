"""LibriSpeech: splits, tables, errors, and recognition on a tiny layout."""

import csv
import importlib.util
import logging
from pathlib import Path

import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml
from layouts_librispeech import FOLDERS, make_librispeech, make_table, spoken
from method_files import ROOT, petl_of
from running import load_train, result_of, torchrun
from speechbrain_petl import (
    AdaptedEncoder,
    InputError,
    PETLBrain,
    Whisper,
    WhisperDecoder,
    count_parameters,
)
from speechbrain_petl.data.text import plain_text, text_datasets
from speechbrain_petl.experiments.report.settings import defaults
from speechbrain_petl.inference.description import describe
from speechbrain_petl.training.results import read_result
from speechbrain_petl.weights.whisper_tokens import WhisperTokens
from tiny_runs import load_prepare, read_manifests

import speechbrain
from speechbrain.utils.metric_stats import ErrorRateStats

NAME = "LibriSpeech"
RECIPE = ROOT / "recipes" / NAME
HPARAMS = RECIPE.relative_to(ROOT) / "hparams"
SEQUENCES = sorted(
    path.stem
    for path in (RECIPE / "hparams" / "seq2seq").glob("*.yaml")
    if path.stem != "base"
)
TINY = [
    *("--source=null", "--encoder_size=[32,2,4]", "--seconds=1.0"),
    *("--batch_size=4", "--num_workers=0", "--noprogressbar", "--epochs=1"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set."""
    return make_librispeech(tmp_path_factory.mktemp("data"))


@pytest.fixture
def prepare():
    """The function of prepare.py, with the folders of the yaml."""
    folders = zip(("train", "valid", "test"), ([name] for name in FOLDERS))
    folders = dict(folders)

    def _prepare(*args, **more):
        made = load_prepare(NAME).prepare_librispeech
        return made(*args, **{**folders, **more})

    return _prepare


def command_line(method, data, output, *more):
    """A tiny run; later options win."""
    path = RECIPE / "hparams" / f"{method}.yaml"
    where = f"--data_folder={data}", f"--output_folder={output}"
    return [str(path), *where, *TINY, *more]


def script_of(method):
    """The script that a method file is for."""
    return "train_seq2seq.py" if "seq2seq" in method else "train.py"


def train(method, data, output, *more):
    """Run a script in this process; its result."""
    argv = command_line(method, data, output, "--device=cpu", *more)
    load_train(RECIPE, script_of(method)).main(argv)
    return result_of(output)


def predictions_of(output):
    """id -> (right text, found text)."""
    with open(Path(output) / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["id"]: (row["label"], row["predicted"]) for row in rows}


def test_official_folders(data, prepare, tmp_path):
    """Every clip of the lists, in small letters; again the same bytes."""
    texts = []
    for _ in range(2):
        manifests = prepare(str(data.parent), str(tmp_path))
        texts.append([Path(path).read_bytes() for path in manifests.values()])
    assert texts[0] == texts[1]
    splits = read_manifests(manifests)
    assert {k: len(v) for k, v in splits.items()} == dict(
        zip(("train", "valid", "test"), FOLDERS.values())
    )
    entry = splits["train"]["1-100-0004"]
    assert entry["text"] == "ado bee" and entry["speaker"] == "1"
    assert entry["duration"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: (c / "3-100-0000.flac").unlink(), "line 1: the audio file"),
        (
            lambda c: (c / "3-100.trans.txt").write_text("3-100-0000 -\n"),
            "line 1: there are no words in '-'",
        ),
        (lambda c: (c / "3-100.trans.txt").unlink(), "no file is .*trans.txt"),
    ],
)
def test_damaged_folders(change, message, prepare, tmp_path):
    """The message names the file and the line."""
    root = make_librispeech(tmp_path)
    change(root / "test-clean" / "3" / "100")
    with pytest.raises(InputError, match=message):
        prepare(root, tmp_path / "save")


def test_wrong_folders(data, prepare, tmp_path):
    """A folder that is not there, and a speaker in two."""
    with pytest.raises(InputError, match="Give the folder LibriSpeech of the"):
        prepare(str(tmp_path), tmp_path / "save")
    with pytest.raises(InputError, match="is in train .* and in test"):
        prepare(data, tmp_path / "save", test=["train-clean-100"])


def test_a_table(prepare, tmp_path):
    """Of one's own: path, text, split."""
    make_table(tmp_path)
    manifests = prepare(tmp_path, tmp_path / "save", tables="metadata.csv")
    splits = read_manifests(manifests)
    assert [len(items) for items in splits.values()] == [3, 3, 3]
    assert splits["test"]["test0.wav"]["text"] == "ado"


@pytest.mark.parametrize(
    "written, plain",
    [
        ("I \u2764\ufe0f you \U0001f44d\U0001f3fd", "i you"),  # emojis
        ("\ufeffco\u00adoperate", "cooperate"),  # a soft hyphen
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627",
            "\u0645\u06cc\u062e\u0648\u0627",
        ),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u0937"),  # a joiner
        ("n\u02bcar n\u2019ar", "n'ar n'ar"),
        ("\u2764\ufe0f", ""),
    ],
)
def test_what_is_not_heard_is_no_word(written, plain):
    """What joins letters ends no word; signs on an emoji are none."""
    assert plain_text(written) == plain


@pytest.mark.parametrize("method", ["whisper/linear", "seq2seq/linear"])
def test_texts_are_compared_as_they_are_written(method, tmp_path):
    """Also where the vocabulary of the training has no such letters."""
    path = make_table(tmp_path) / "metadata.csv"
    said = path.read_text().replace("Ado!,test", "Zoë’s 'n’ 語 vox,test")
    path.write_text(said)
    more = "--tables=metadata.csv", "--longest=9", "--debug"
    if "seq2seq" not in method:
        more = more[0], more[2]
    metrics = train(method, path.parent, tmp_path / "run", *more)["metrics"]
    found = predictions_of(tmp_path / "run")
    assert "zoë's n 語 vox" in {right for right, _ in found.values()}
    for name, cut in (("wer", str.split), ("cer", list)):
        assert metrics[name] == pytest.approx(rate_of(found, cut))


def test_what_the_decoder_has_no_positions_for(data, tmp_path):
    """Said before a training that would stop there."""
    with pytest.raises(InputError, match="longest=448: give at most 447"):
        train("seq2seq/linear", data, tmp_path / "a", "--longest=448")
    path = make_table(tmp_path) / "metadata.csv"
    path.write_text(path.read_text().replace("Ado!", "Ado! " * 112))
    message = "train: the text of .*wav has 448 sub-words.* counts to 447"
    with pytest.raises(InputError, match=message):
        more = "--tables=metadata.csv", "--longest=447"
        train("seq2seq/linear", path.parent, tmp_path / "b", *more)


def test_texts_that_ctc_cannot_learn(tmp_path):
    """More symbols than tokens, of which two that are alike need one more."""
    path = make_table(tmp_path) / "metadata.csv"
    plain = path.read_text()
    # 0.2 s are ten tokens, and a text begins with a symbol of its own
    more = "--tables=metadata.csv", "--debug"
    said = "texts of {} of 3 clips, such as train0.wav, have more symbols"
    for name, dense in (("ababababa", False), ("ababababb", True)):
        path.write_text(plain.replace("Ado!", name, 1))
        train("whisper/linear", path.parent, tmp_path / name, *more)
        log = (tmp_path / name / "log.txt").read_text()
        assert (said.format(1) in log) == dense
    for old, new in (("Ado!", "ado"), ("Bee!", "bee"), ("Cool!", "cool")):
        plain = plain.replace(f"{old},train", f"{new * 9},train")
    path.write_text(plain)
    with pytest.raises(InputError, match=said.format(3)):
        train("whisper/linear", path.parent, tmp_path / "all", *more)


def test_tables_of_common_voice(prepare, tmp_path):
    """One for each split, by its names of columns, sounds in clips."""
    (tmp_path / "clips").mkdir()
    tables = {"train": "train.tsv", "valid": "dev.tsv", "test": "test.tsv"}
    for number, name in enumerate(tables.values()):
        soundfile.write(
            tmp_path / "clips" / f"{name}.wav", spoken("ADO"), 16000
        )
        row = f"speaker{number}\t{name}.wav\tNo, Ado’s!\n"
        (tmp_path / name).write_text(f"client_id\tpath\tsentence\n{row}")
    manifests = prepare(tmp_path, tmp_path / "save", tables=tables)
    for entries in read_manifests(manifests).values():
        (entry,) = entries.values()
        assert entry["text"] == "no ado's"
    (tmp_path / "test.tsv").write_bytes((tmp_path / "train.tsv").read_bytes())
    with pytest.raises(InputError, match="is in train .* and in test"):
        prepare(tmp_path, tmp_path / "save", tables=tables)
    for given in (tables, {"test": "test.tsv"}):
        alone = {"tables": given, "splits": ["test"]}
        assert [*prepare(tmp_path, tmp_path / "save", **alone)] == ["test"]


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("path,text", "path,said", "has no column text"),
        ("text,split", "text,part of", "has no column split"),
        ("Ado!,test", "Ado!,rest", "line 8: split=rest is not one of train"),
        ("Ado!,test", "?!,test", "line 8: there are no words in '.!'"),
        ("test1.wav", "test0.wav", "line 9: test0.wav is listed twice"),
        ("test1.wav", "gone.wav", "line 9: the audio file .* is missing"),
        ("test1.wav", "../gone.wav", "line 9: .* leads out of"),
        (",test\n", ",valid\n", "nothing is in the split test"),
    ],
)
def test_wrong_tables(old, new, message, prepare, tmp_path):
    """The message names the line and the value."""
    path = make_table(tmp_path) / "metadata.csv"
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        prepare(tmp_path, tmp_path / "save", tables="metadata.csv")


def test_long_clips(data, prepare, tmp_path, caplog):
    """Nobody trains on half a clip and all its words."""
    manifests = prepare(data, tmp_path)
    with caplog.at_level(logging.WARNING):
        datasets = text_datasets(manifests, samples=4000)
    assert len(datasets["train"]) == 3 and len(datasets["test"]) == 2
    assert (
        "train: 3 of 6 clips are longer than 0.25 s and are left" in caplog.text
    )
    with pytest.raises(InputError, match="no clip has 0.10 s or less: raise"):
        text_datasets(manifests, samples=1600)


@pytest.mark.parametrize(
    "method",
    [
        m if m == "lora" else pytest.param(m, marks=pytest.mark.slow)
        for m in SEQUENCES
    ],
)
def test_every_sequence_method(data, tmp_path, method):
    """From sounds to texts, with Whisper's decoder."""
    result = train(
        f"seq2seq/{method}", data, tmp_path, "--debug", "--longest=9"
    )
    assert result["method"] == f"seq2seq/{method}"
    assert set(result["metrics"]) == {"loss", "word_accuracy", "wer", "cer"}
    with pytest.raises(InputError, match="of a run that writes texts"):
        describe(tmp_path / "hyperparams.yaml")


def sizes(dim=384, depth=4):
    """Trained parameters of encoder and decoder, counted by hand."""
    norm, low_rank = 2 * dim, 6 * 2 * dim
    shared = 2 * 12 * dim + 12 + dim
    bottleneck = shared + norm
    # projections, convolution, B, C and step, rates, skip; the scale
    mamba = 12 * 48 + 5 * 24 + 24 * 33 + 2 * 24 + 24 * 16 + 24 + 24 * 12 + 1
    convolution = norm + 2 * 8 * (dim + 1) + 8 * 32 + 2 * 8 + 9 * dim
    conformer = convolution + norm
    attention = 4 * dim * dim + 3 * dim  # keys have no bias
    block = 12 * dim * dim + 13 * dim
    each = {
        "linear": (0, 0),
        "lora": (2 * low_rank, 4 * low_rank),
        "bottleneck": (bottleneck, bottleneck),
        "conformer": (conformer, bottleneck),
        "prefix": (24 * dim, 24 * dim),
        "mambadapter": (mamba + norm, mamba + norm),
        "full": (block, block + attention + norm),
    }
    convolutions = (3 * 80 + 1) * dim + (3 * dim + 1) * dim
    once = {"full": (convolutions, (51864 + 448) * dim)}
    once["mambadapter"] = shared, shared
    return {
        method: tuple(
            depth * own + norm + more
            for own, more in zip(both, once.get(method, (0, 0)))
        )
        for method, both in each.items()
    }


@pytest.mark.parametrize("method", SEQUENCES)
def test_trained_parameters(method):
    """Of tiny.en, as the README has them."""
    path = HPARAMS / "seq2seq" / f"{method}.yaml"
    tree = load_hyperpyyaml((ROOT / path).read_text())
    with torch.device("meta"):
        encoder = AdaptedEncoder(Whisper("tiny"), **petl_of(path))
        decoder = AdaptedEncoder(
            WhisperDecoder("tiny"), **{"wrap": {}, **tree["decoder_petl"]}
        )
    counts = [count_parameters(module)[0] for module in (encoder, decoder)]
    assert tuple(counts) == sizes()[method]
    readme = (RECIPE / "README.md").read_text()
    assert f"| {method} | {counts[0]:,} | {counts[1]:,} |" in readme


def rate_of(found, cut):
    """Errors per right piece of these texts, by SpeechBrain's counts."""
    stats = ErrorRateStats()
    for key, (right, said) in found.items():
        stats.append([key], [cut(said)], [cut(right)])
    summary = stats.summarize()
    return summary["num_edits"] / summary["num_scored_tokens"]


@pytest.mark.parametrize("kind", ["whisper", "wav2vec2"])
def test_padding_has_no_effect(kind, tmp_path):
    """One clip at a time, or all at once: the same loss and texts."""
    data, found = make_librispeech(tmp_path, {**FOLDERS, "test-clean": 6}), []
    for size in (1, 6):
        output = tmp_path / str(size)
        more = f"--batch_size={size}", "--epochs=1", "--lr=0.0"
        result = train(f"{kind}/linear", data, output, *more)
        found.append((result["metrics"], predictions_of(output)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[0][1] == found[1][1]


def test_predictions_are_the_metric(data, tmp_path):
    """WER and CER of the file, by SpeechBrain's counts, are the result's."""
    metrics = train("whisper/lora", data, tmp_path)["metrics"]
    found = predictions_of(tmp_path)
    assert {right for right, _ in found.values()} == {"ado", "bee"}
    for name, cut in (("wer", str.split), ("cer", list)):
        assert metrics[name] == pytest.approx(rate_of(found, cut))
    assert metrics["word_accuracy"] == pytest.approx(1 - metrics["wer"])
    with pytest.raises(InputError, match="of a run that writes texts"):
        describe(tmp_path / "hyperparams.yaml")


class Killed(BaseException):
    """Nobody catches it, as nobody does kill -9."""


@pytest.mark.parametrize("method", ["whisper/conformer", "seq2seq/lora"])
def test_goes_on_after_a_kill(method, data, tmp_path, monkeypatch):
    """In the midst of the second epoch, to the same result."""
    more = "--epochs=2", "--batch_size=2", "--ckpt_interval_steps=1"
    expected = train(method, data, tmp_path / "whole", *more)
    fit_batch, steps = PETLBrain.fit_batch, []

    def killed(brain, batch):
        steps.append(batch.id)
        if len(steps) == 5:
            raise Killed
        return fit_batch(brain, batch)

    with monkeypatch.context() as patched:
        patched.setattr(PETLBrain, "fit_batch", killed)
        with pytest.raises(Killed):
            train(method, data, tmp_path / "run", *more)
    result = train(method, data, tmp_path / "run", *more)
    assert result["history"] == expected["history"]
    assert result["metrics"] == expected["metrics"]
    runs = (predictions_of(tmp_path / name) for name in ("whole", "run"))
    assert next(runs) == next(runs)


def test_a_random_decoder_is_kept(data, tmp_path, monkeypatch):
    """As the encoder is: another torch draws another, and tests the same."""
    more = "seq2seq/lora", data, tmp_path
    expected = train(*more)["metrics"]
    seed = speechbrain.utils.seed_everything
    monkeypatch.setattr(
        speechbrain.utils, "seed_everything", lambda s, *a: seed(s + 7, *a)
    )
    assert train(*more, "--test_only")["metrics"] == expected


def test_overfits(tmp_path):
    """A new encoder learns by heart what 20 utterances say, by CTC."""
    counts = {"train-clean-100": 20, "dev-clean": 2, "test-clean": 3}
    data = make_librispeech(tmp_path / "data", counts, seconds=0.3)
    more = "--epochs=40", "--lr=0.003", "--encoder_size=[64,2,4]"
    result = train("whisper/full", data, tmp_path / "run", *more)
    assert result["history"][0]["valid"]["wer"] == 1.0
    assert result["metrics"]["wer"] == 0.0  # another voice's clips


def test_files_of_the_other_script(data, tmp_path):
    """Each names the folders of its own."""
    argv = command_line("seq2seq/lora", data, tmp_path)
    with pytest.raises(InputError, match="takes those of hparams/whisper and"):
        load_train(RECIPE).main(argv)
    argv = command_line("whisper/lora", data, tmp_path)
    with pytest.raises(InputError, match="takes those of hparams/seq2seq$"):
        load_train(RECIPE, "train_seq2seq.py").main(argv)


def vocabulary(folder, others=0):
    """A tokenizer of the form of Whisper's; so many sub-words are never used."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters += [f"unused{number}" for number in range(others)]
    vocab = {letter: number for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = "endoftext", "startoftranscript", "en", "transcribe", "notimestamps"
    tokenizer.add_special_tokens([f"<|{name}|>" for name in names])
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab_size()


@pytest.mark.parametrize(
    "end, language, message",
    [
        (50256, "en", "language=en: .*json is of weights for English alone"),
        (50257, None, "language=None: .*json is of weights for many languages"),
        (50256, None, None),
        (50257, "en", None),
    ],
)
def test_weights_are_told_their_language(end, language, message, tmp_path):
    """Those for English none, others one."""
    vocabulary(tmp_path / "weights", others=end - 256)
    if not message:
        tokens = WhisperTokens(tmp_path / "weights", language)
        assert tokens.end == end and len(tokens.prompt) == (
            4 if language else 2
        )
        return
    with pytest.raises(InputError, match=message):
        WhisperTokens(tmp_path / "weights", language)


def test_weights_bring_their_vocabulary(data, tmp_path):
    """Prompt, sub-words, end; and their figures without any training."""
    folder = tmp_path / "weights"
    symbols = vocabulary(folder)
    tokens = WhisperTokens(folder, "en")
    assert tokens.prompt == [257, 258, 259, 260] and tokens.end == 256
    ids = tokens.encode_as_ids("ado's")
    assert len(ids) == 6 and tokens.decode_ids([*ids, 256]) == "ado's"
    with pytest.raises(InputError, match=r"has no <\|pt\|>: is it Whisper's"):
        WhisperTokens(folder, "pt")
    with pytest.raises(InputError, match="tokenizer.json is missing: put the"):
        WhisperTokens(data)
    torch.manual_seed(0)
    size = (32, 2, 4)
    state = {
        f"{name}.{key}": value
        for name, module in (
            ("encoder", Whisper(size)),
            ("decoder", WhisperDecoder(size, symbols)),
        )
        for key, value in module.state_dict().items()
    }
    torch.save(state, folder / "weights.pt")
    more = f"--source={folder}", f"--tokens={symbols}", "--longest=5"
    more = *more, "--training=False", "--train_folders=[train-clean-360]"
    result = train("seq2seq/linear", data, tmp_path / "run", *more)
    assert result["history"] == [] and result["metrics"]["wer"] >= 0
    assert result["trainable_parameters"] == 0
    assert len(predictions_of(tmp_path / "run")) == 2


def test_the_table_of_prompts(tmp_path):
    """As Debian has them: texts that repeat are in one split."""
    import gzip

    load_train(RECIPE)
    spec = importlib.util.spec_from_file_location("p", RECIPE / "prompts.py")
    prompts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prompts)
    folder = tmp_path / prompts.SOUNDS / "en_US_f_Ann"
    (folder / "digits").mkdir(parents=True)
    lines = ["; prompts\n", "gone: Gone.\n", "beep: [a tone]\n"]
    for number in range(20):
        name = f"digits/{number:02d}"
        soundfile.write(folder / f"{name}.wav", spoken("ADO"), 8000)
        lines.append(f"{name}: Press {number % 10}.\n")
    texts = tmp_path / prompts.TEXTS.format("en")
    texts.parent.mkdir(parents=True)
    with gzip.open(texts, "wt") as file:
        file.writelines(lines)
    with open(prompts.write_table(tmp_path, "en_US_f_Ann")) as file:
        rows = list(csv.DictReader(file))
    parts = {}
    for row in rows:
        parts.setdefault(row["text"], set()).add(row["split"])
    assert len(rows) == 20 and all(len(p) == 1 for p in parts.values())
    counts = [row["split"] for row in rows]
    assert [counts.count(s) for s in ("train", "valid", "test")] == [14, 2, 4]


@pytest.mark.parametrize(
    "folder", sorted((RECIPE / "kept").iterdir()), ids=lambda path: path.name
)
def test_the_readme_states_the_kept_runs(folder):
    """And their texts yield these figures."""
    result, said = read_result(folder / "result.json"), []
    found = predictions_of(folder)
    for name, cut in (("wer", str.split), ("cer", list)):
        assert result["metrics"][name] == pytest.approx(rate_of(found, cut))
        said.append(f"{100 * result['metrics'][name]:.1f}")
    longer = {k: pair for k, pair in found.items() if pair[0].count(" ") > 1}
    said.append(f"{100 * rate_of(longer, str.split):.1f}")
    trained = result["trainable_parameters"] if result["history"] else 0
    row = " | ".join([folder.name, f"{trained:,}", *said])
    assert f"| {row} |" in (RECIPE / "README.md").read_text()


def test_a_report_reads_its_folders():
    """Though no base.yaml is in hparams itself."""
    bases, of_methods = defaults(RECIPE)
    assert len(bases) == 3 and {"petl", "decoder_petl"} <= of_methods


@pytest.mark.slow
@pytest.mark.parametrize("method", ["whisper/lora", "seq2seq/lora"])
def test_two_processes(method, data, tmp_path):
    """They take the steps of one."""
    argv = command_line(method, data, tmp_path / "2", "--batch_size=3")
    done = torchrun(argv, RECIPE / script_of(method))
    assert done.returncode == 0, done.stderr[-2000:]
    one = train(method, data, tmp_path / "1", "--batch_size=6")
    two = result_of(tmp_path / "2")
    assert two["processes"] == 2
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-3)
