from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.model.errors import Invalid
from control_plane.offerings import FOLDER, discover
from control_plane.offerings.costs import CostsError, load_costs

COSTS = (FOLDER / "approval" / "costs.yml").read_text("utf-8")
INIT = """
from pathlib import Path
from control_plane.model.offering import Offering
from control_plane.model.text import t
OFFERING = Offering(id="{id}", status="{status}", title=t("A"), folder=Path(__file__).parent)
"""


def folder(root: Path, name: str, init: str | None, costs: str | None = None, readme: bool = True) -> None:
    path = root / name
    path.mkdir()
    if init is not None:
        (path / "__init__.py").write_text(init)
    (path / "costs.yml").write_text(
        costs if costs is not None else COSTS.replace("offering: approval", f"offering: {name}")
    )
    if readme:
        (path / "README.md").write_text("help")


def test_a_sound_folder_is_found(tmp_path: Path) -> None:
    folder(tmp_path, "queue", INIT.format(id="queue", status="declared"))
    (tmp_path / "_shared").mkdir()
    (tmp_path / "helpers.py").write_text("")
    assert list(discover(tmp_path)) == ["queue"]


def test_every_fault_of_every_folder_is_named(tmp_path: Path) -> None:
    folder(tmp_path, "bad_import", "import nothing_of_that_name")
    folder(tmp_path, "bad_syntax", "def")
    folder(tmp_path, "bad_exit", "raise SystemError('no')")
    folder(tmp_path, "empty", "", readme=False)
    folder(tmp_path, "no_init", None)
    folder(tmp_path, "other_id", INIT.format(id="another", status="declared"))
    folder(tmp_path, "half", INIT.format(id="half", status="operated"))
    folder(tmp_path, "costly", INIT.format(id="costly", status="declared"), costs="version: 1\nlines: []\n")
    folder(tmp_path, "Upper", INIT.format(id="Upper", status="declared"))
    folder(tmp_path, "fine", INIT.format(id="fine", status="declared"))
    with pytest.raises(Invalid) as caught:
        discover(tmp_path)
    found = {(p.where, str(p.text)) for p in caught.value.problems}
    where = {place for place, _ in found}
    assert where == {
        f"offerings/{name}"
        for name in ("bad_import", "bad_syntax", "bad_exit", "empty", "no_init", "other_id", "half", "costly", "Upper")
    }
    texts = " ".join(text for _, text in found)
    for words in (
        "ModuleNotFoundError",
        "SyntaxError",
        "SystemError",
        "README.md is missing",
        "exports no OFFERING",
        "__init__.py is missing",
        "OFFERING.id is another",
        "needs systems, spec, tiers, check, claims, desired, probes, example",
        "currency",
        "2 to 31",
    ):
        assert words in texts
    assert sum(place == "offerings/costly" for place, _ in found) >= 3
    assert sum(place == "offerings/empty" for place, _ in found) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("amount: '620000'", "amount: lots"), "amount"),
        (("unit: tenant", "unit: parsec"), "unit"),
        (("cases: '0.5'", "cases: '0.4'"), "sum to 1"),
        (("offering: approval", "offering: other"), "sheet of other"),
        (("id: approval.alone.server", "id: approval.alone.app"), "there twice"),
        (("grade: D, source: *source}", "grade: D}"), "source"),
        (("lines:", "lines: ["), "costs.yml"),
    ],
)
def test_a_bad_cost_sheet_says_why(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "costs.yml"
    assert change[0] in COSTS
    path.write_text(COSTS.replace(*change))
    with pytest.raises(CostsError, match=words):
        load_costs(path, "approval")
