"""The code of pack and host in a run's identity."""

from __future__ import annotations

import pytest

from pack.tests.nodes.desk import lazy

pytestmark = pytest.mark.host


def test_code_is_told_by_the_names_and_the_content_of_its_files(host, tmp_path):
    digest = lazy(host, "surroundings")._code.__wrapped__  # without what tests remember
    first, second = tmp_path / "one.py", tmp_path / "two.py"
    first.write_text("a = 1\n")
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    first.write_text("a = 2\n")
    changed = digest(tmp_path)
    first.rename(second)
    assert len({before, changed, digest(tmp_path)}) == 3
