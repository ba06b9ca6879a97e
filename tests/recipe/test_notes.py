"""What prepare.py warns of is in the log and in the result."""

from running import result_of, run


def test_a_run_of_few_clips(esc50, tmp_path):
    run(esc50, tmp_path / "run", "--epochs=1")
    (note,) = result_of(tmp_path / "run")["notes"]
    assert "50 clips" in note and "not comparable with published" in note
    assert note in (tmp_path / "run" / "log.txt").read_text()
    again = run(esc50, tmp_path / "run", "--epochs=1")
    assert again["notes"] == [note]
