"""What prepare.py warns of is in the log and in the result."""

from running import result_of, run


def test_a_run_of_few_clips(esc50, tmp_path):
    run(esc50, tmp_path / "run", "--epochs=1")
    notes = result_of(tmp_path / "run")["notes"]
    assert any("not comparable with published" in note for note in notes)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert all(note in log for note in notes)
    again = run(esc50, tmp_path / "run", "--epochs=1")
    assert again["notes"] == notes
