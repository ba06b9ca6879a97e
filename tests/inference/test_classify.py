"""The command that names what is in files."""

import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest
import soundfile
from finished_runs import clips_of_test
from layouts import truncated_wav
from speechbrain_petl import InputError, save_pretrained
from speechbrain_petl.inference.commands.classify import main
from speechbrain_petl.inference.reading import read_run
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.training.predictions import PREDICTIONS


@pytest.fixture(scope="module")
def run(finished):
    """A finished ESC-50 run."""
    return finished("ESC50")


@pytest.fixture
def clips(tmp_path):
    """A folder of sounds of several kinds, one of them below another."""
    folder = tmp_path / "clips"
    (folder / "below").mkdir(parents=True)
    x = 0.1 * np.sin(np.arange(8000))
    soundfile.write(folder / "b.WAV", x, 16000)
    soundfile.write(folder / "below" / "a.flac", np.stack([x, x], 1), 44100)
    soundfile.write(folder / "c.ogg", x, 8000)
    (folder / "notes.txt").write_text("no sound")
    return folder


def rows(printed):
    """File -> what is said of it."""
    return dict(line.rsplit(": ", 1) for line in printed.splitlines())


def test_the_csv_is_that_of_the_run(run, tmp_path, capsys):
    """The same columns and numbers, and three labels on the screen."""
    clips, path = clips_of_test(run), tmp_path / "out.csv"
    argv = [str(run), *clips.values(), "--windows=1", f"--csv={path}"]
    main([*argv, "--device=cpu"])
    ours, theirs = pandas.read_csv(path), pandas.read_csv(run / PREDICTIONS)
    assert list(ours["id"]) == list(clips.values())
    theirs = theirs.set_index("id").loc[list(clips)].reset_index()
    assert list(ours["predicted"]) == list(theirs["predicted"])
    columns = [c for c in theirs if c.startswith("p(")]
    assert list(ours.columns) == ["id", "predicted", *columns]
    difference = (ours[columns] - theirs[columns]).abs().max(axis=None)
    assert difference < 1e-6
    printed = rows(capsys.readouterr().out)
    for _, row in ours.iterrows():
        best = row[columns].astype(float).nlargest(3)
        wanted = [f"{name[2:-1]} {p:.3f}" for name, p in best.items()]
        assert printed[row["id"]] == ", ".join(wanted)


def test_files_and_folders(run, clips, capsys):
    """Each sound once, in the order given; those of a folder sorted."""
    single = str(clips / "c.ogg")
    main([str(run), single, str(clips), "--top=1", "--device=cpu"])
    printed = rows(capsys.readouterr().out)
    others = [str(clips / "b.WAV"), str(clips / "below" / "a.flac")]
    assert list(printed) == [single, *others]
    assert all(said.count(",") == 0 for said in printed.values())


def test_names_are_text_on_a_terminal(run, clips, capsys):
    shutil.copy(clips / "c.ogg", clips / "\x1b[2J.wav")
    main([str(run), str(clips), "--device=cpu"])
    printed = capsys.readouterr().out
    assert "\\x1b[2J.wav: " in printed and "\x1b" not in printed


def test_options_reach_the_model(run, tmp_path, capsys):
    """Windows and their overlap change what is said of a long file."""
    x = np.random.default_rng(0).standard_normal(40000) / 10
    x *= np.linspace(0, 1, 40000)
    soundfile.write(tmp_path / "long.wav", x, 16000)
    said = set()
    for more in ([], ["--windows=1"], ["--overlap=0.7"], ["--hop=0.4"]):
        path = tmp_path / f"{len(said)}.csv"
        argv = [str(run), str(tmp_path / "long.wav"), f"--csv={path}"]
        main([*argv, "--device=cpu", *more])
        said.add(path.read_text())
    assert len(said) == 4
    capsys.readouterr()


def test_an_adapter_folder_and_its_base(run, clips, tmp_path, capsys):
    """--base names the weights, and wrong ones are refused."""
    folder = save_adapter(run, tmp_path / "adapter")
    encoder = read_run(run).base()
    base = save_pretrained(encoder, tmp_path / "base.safetensors")
    main([str(run), str(clips), "--device=cpu"])
    wanted = capsys.readouterr().out
    main([str(folder), str(clips), f"--base={base}", "--device=cpu"])
    assert capsys.readouterr().out == wanted
    encoder.pos_embed.data[0, 0, 0] += 1
    save_pretrained(encoder, base)
    with pytest.raises(InputError, match="was trained on another base"):
        main([str(folder), str(clips), f"--base={base}"])


def test_what_is_wrong_is_said_before_any_work(run, clips, tmp_path, capsys):
    """Nothing is classified, and no csv is written."""
    argv = [str(run), str(clips)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no sound file"):
        main([*argv, str(tmp_path / "empty")])
    with pytest.raises(InputError, match="no/out.csv: there is no such folder"):
        main([*argv, "--csv=no/out.csv"])
    with pytest.raises(InputError, match="empty is a folder: name a file"):
        main([*argv, f"--csv={tmp_path / 'empty'}"])
    for option in ("csv", "errors"):
        with pytest.raises(InputError, match=f"--{option}=/dev/null is a dev"):
            main([*argv, f"--{option}=/dev/null"])
    with pytest.raises(InputError, match="--device=gpu is not there: "):
        main([*argv, "--device=gpu"])
    with pytest.raises(InputError, match="there is no folder nowhere"):
        main(["nowhere", str(clips)])
    (tmp_path / "there.csv").touch()
    with pytest.raises(InputError, match="there.csv is there already: --resum"):
        main([*argv, f"--csv={tmp_path / 'there.csv'}"])
    with pytest.raises(InputError, match="--resume goes on with a csv: name"):
        main([*argv, "--resume"])
    for more in (["--embeddings=a.npz"], ["--segments=a.txt"]):
        with pytest.raises(InputError, match="a.* is written whole, of all"):
            main([*argv, "--resume", "--csv=a.csv", *more])
    with pytest.raises(InputError, match="--segments=a.doc: give a name that"):
        main([*argv, "--segments=a.doc"])
    with pytest.raises(InputError, match="no/a/: there is no such folder"):
        main([*argv, "--segments=no/a/", "--format=raven"])
    for hop in ("0", "-1", "9", "nan"):
        with pytest.raises(InputError, match=f"--hop={hop}: give 0.00.* to 0"):
            main([*argv, f"--hop={hop}"])
    for wrong in ("--top=0", "--windows=0", "--top=x", "--threshold=2"):
        with pytest.raises(SystemExit):
            main([*argv, wrong])
    for wrong in ("--format=raven", "--no_join", "--threshold=0"):
        with pytest.raises(SystemExit):
            main([*argv, wrong])
        assert "of --segments=FILE" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*argv, "--embeddings=a.csv"])
    assert "--embeddings=a.csv: it ends in .npz" in capsys.readouterr().err


def test_whoever_reads_may_stop(run, clips, tmp_path, monkeypatch):
    """As `| head` does: what is asked for is written, and there is no error."""
    for more in ([], [f"--csv={tmp_path / 'out.csv'}"]):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as closed:
            monkeypatch.setattr(sys, "stdout", closed)
            main([str(run), str(clips), "--device=cpu", *more])
    assert len(pandas.read_csv(tmp_path / "out.csv")) == 3


def test_a_bad_file_is_a_row(run, clips, tmp_path, capsys):
    """The others are named; at the end there is an error with the count."""
    (clips / "bad.wav").write_bytes(truncated_wav())
    missing, errors = str(tmp_path / "missing.wav"), tmp_path / "errors.csv"
    argv = [str(run), str(clips / "bad.wav"), missing, str(clips)]
    out = tmp_path / "out.csv"
    said = f"of . files .*bad.wav is truncated.*missing.* {errors} names all"
    for of, again in ((5, []), (2, ["--resume"])):  # they may be mended by now
        with pytest.raises(
            InputError, match=said.replace("of .", f"2 of {of}")
        ):
            main([*argv, f"--csv={out}", f"--errors={errors}", *again])
        table = pandas.read_csv(errors)
        assert list(table["id"]) == argv[1:3] and len(table.columns) == 2
        assert "missing.wav is missing" in table["error"][1]
        assert len(pandas.read_csv(out)) == 3
    assert len(capsys.readouterr().out.splitlines()) == 3
    out.unlink()
    (clips / "bad.wav").unlink()
    with pytest.raises(InputError, match="^the audio file .*missing.wav is mi"):
        main([str(run), str(clips), missing, f"--csv={out}", "--strict"])
    assert len(pandas.read_csv(out)) == 3


def test_a_job_goes_on(run, clips, tmp_path, capsys):
    """Wherever a kill has cut the csv, its rows are those of one go."""
    shutil.copy(clips / "b.WAV", clips / 'a "b",\nc.wav')
    out = tmp_path / "out.csv"
    argv = [str(run), str(clips), f"--csv={out}", "--device=cpu", "--resume"]
    main(argv)
    whole, lines = out.read_bytes(), len(capsys.readouterr().out.splitlines())
    wanted = pandas.read_csv(out)
    assert lines == len(wanted) == 4
    head, *ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in (0, 5, head - 1, head, head + 9, *ends, len(whole) - 1):
        out.write_bytes(whole[:cut])
        main(argv)
        pandas.testing.assert_frame_equal(pandas.read_csv(out), wanted)
        capsys.readouterr()
    main(argv)
    assert capsys.readouterr().out == ""


def test_another_csv_is_not_gone_on_with(run, clips, tmp_path):
    """It stays as it is."""
    out = tmp_path / "out.csv"
    argv = [str(run), str(clips), f"--csv={out}", "--resume"]
    out.write_text("id,predicted\n")
    with pytest.raises(InputError, match="out.csv holds other columns than"):
        main(argv)
    assert out.read_text() == "id,predicted\n"
    out.unlink()
    main(argv)
    with open(out, "a") as file:
        file.write("d.wav,dog,0.5\n")
    with pytest.raises(InputError, match="row 4 has 3 cells, .* is damaged"):
        main(argv)


def test_names_from_standard_input(run, clips, monkeypatch, capsys):
    """One a line, or as find -print0 ends them."""
    names = [str(clips / "b.WAV"), str(clips / "c.ogg")]
    for mark, end in (("", "\n"), ("\ufeff", "\r\n"), ("", "\0")):
        text = (mark + end.join([*names, ""])).encode()
        stdin = io.TextIOWrapper(io.BytesIO(text))
        monkeypatch.setattr(sys, "stdin", stdin)
        main([str(run), "-", str(clips / "below"), "--device=cpu"])
        printed = rows(capsys.readouterr().out)
        assert list(printed) == [*names, str(clips / "below" / "a.flac")]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(InputError, match="standard input names no file"):
        main([str(run), "-", "--device=cpu"])


@pytest.mark.slow
def test_the_command(run, clips, tmp_path):
    """As a user types it, from another folder: one line for an error."""
    shutil.copytree(run, tmp_path / "my run")
    command = [sys.executable, "-m", "speechbrain_petl", "classify", "my run"]
    argv = {"capture_output": True, "text": True, "cwd": tmp_path}
    done = subprocess.run([*command, "clips/b.WAV", "--device=cpu"], **argv)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("clips/b.WAV: ")
    done = subprocess.run([*command, "clips/a.wav"], **argv)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (line,) = [x for x in done.stderr.splitlines() if "error" in x]
    assert "clips/a.wav is missing" in line
