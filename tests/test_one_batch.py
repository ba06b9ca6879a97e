"""The way of one batch, from wav to loss, is short and as docs tell it."""

import trace_batch
from layouts import make_esc50

FILES, FUNCTIONS = 10, 25


def test_one_batch(tmp_path):
    """As traced; ``python tests/helpers/trace_batch.py`` writes the list anew."""
    data = make_esc50(tmp_path, odd=False)
    found = trace_batch.trace(data, tmp_path / "run")
    assert len({file for file, _ in found}) <= FILES
    assert len(found) <= FUNCTIONS
    page = trace_batch.PAGE.read_text(encoding="utf-8")
    assert trace_batch.with_table(page, found) == page
