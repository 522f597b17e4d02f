"""Lists of people and sheets of passwords on the command line: how a list was read is said; a sheet is opened once,
into files that are there before and nobody else reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Gasp


def test_nobody_else_reads_the_files_whoever_made_them_before(gasp: Gasp, tmp_path: Path) -> None:
    for kind in ("pdf", "csv"):
        before = tmp_path / f"passwords-fgw-12.{kind}"
        before.write_text("old")
        before.chmod(0o644)
    done = gasp("accounts", "open", "12", "--to", str(tmp_path), "--yes")
    assert done.code == 0, done.err
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "passwords-fgw-12.pdf": 0o600,
        "passwords-fgw-12.csv": 0o600,
    }
    assert "never-to-be-printed" in (tmp_path / "passwords-fgw-12.csv").read_text("utf-8")
    assert "never-to-be-printed" not in done.out + done.err


def test_where_nothing_can_be_written_the_sheet_stays_sealed(gasp: Gasp) -> None:
    refused = gasp("accounts", "open", "12", "--to", "/proc/self", "--yes")
    assert refused.code != 0
    assert refused.client.called("sheets.open") == []


@pytest.mark.parametrize("how", ["--dry-run", "--yes"])
def test_a_preview_says_how_the_list_was_read(gasp: Gasp, how: str) -> None:
    done = gasp("accounts", "import", __file__, how)
    assert "read as UTF-8" in done.out + done.err
