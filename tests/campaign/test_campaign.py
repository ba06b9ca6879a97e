"""The campaign's quick form: a little of each part ends as it should."""

import pytest

from .__main__ import parts
from .cases import table


@pytest.mark.slow
@pytest.mark.parametrize("part", ["kills", "damage", "inputs", "hostile"])
def test_bad_days(part, tmp_path):
    cases = parts(quick=True, rounds=3)[part](tmp_path)
    print(table(cases))
    assert len(cases) > 2
    wrong = [f"{c.name}: {c.seen}" for c in cases if not c.right]
    assert not wrong, "\n".join(wrong)
