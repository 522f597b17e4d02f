"""Commands that plan and apply in one go take the typed word that their plan may ask for, all in one way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.errors import UnsafePlan
from control_plane.model.text import t

from .conftest import Gasp
from .fake_client import ANSWERS, GUARD, change, plan
from .fake_staff import FOUND, SEEN

#: Command line → the client's method.
COMMANDS = {
    "internet set fgw --off": "internet.change",
    "drift revert dns:fgw.qingdao.test/A": "drift_revert",
    "sites preview fgw.qingdao.test 3f9a12": "preview_release",
    "sites activate fgw.qingdao.test 3f9a12": "activate_release",
    "sites rollback fgw.qingdao.test": "rollback_release",
    "sites maintenance fgw.qingdao.test on": "maintenance",
}
EVERY = [
    *(("here", *one) for one in COMMANDS.items()),
    ("there", "drift revert dns:fgw.qingdao.test/A", "drift_revert"),
]


def guarded(method: str) -> Callable[..., Any]:
    def act(*args: Any, confirm: str | None = None, **more: Any) -> Any:
        if confirm != "7f3a9c1e":
            hint = t("Read the plan, then pass --confirm={word}.", word="7f3a9c1e")
            raise UnsafePlan(t("It takes network access from 6 tenants."), hint, "7f3a9c1e")
        return ANSWERS[method]

    return act


@pytest.mark.parametrize(("gasp", "line", "method"), EVERY, indirect=["gasp"], ids=map(" ".join, EVERY))
def test_what_the_refusal_names_is_taken(gasp: Gasp, line: str, method: str) -> None:
    answers = {method: guarded(method)}
    refused = gasp(*line.split(), "--yes", **answers)
    assert refused.code == 5
    assert "6 tenants" in refused.err
    option = next(word for word in refused.err.split() if word.startswith("--confirm=")).rstrip(".")
    done = gasp(*line.split(), option, **answers)
    assert done.code == 0, done.err
    assert gasp(*line.split(), "--confirm=wrong", **answers).code == 5


@pytest.mark.parametrize(("gasp", "line", "method"), EVERY, indirect=["gasp"], ids=map(" ".join, EVERY))
def test_at_a_terminal_the_word_is_asked_for(gasp: Gasp, line: str, method: str) -> None:
    answers = {method: guarded(method)}
    done = gasp(*line.split(), tty=True, typed="y\n7f3a9c1e\n", **answers)
    assert done.code == 0, done.err
    assert "6 tenants" in done.err
    assert [how["confirm"] for _, how in done.client.called(method)] == [None, "7f3a9c1e"]
    assert gasp(*line.split(), tty=True, typed="y\nyes\n", **answers).code == 5


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("people erase zhangsan --reason x", FOUND["confirm"]),
        ("tenants offboard dagj", "dagj"),
        ("accounts import LIST", "7f3a9c1e"),
        ("internet set fgw --off", "7f3a9c1e"),
        ("apply estate", "dagj"),
    ],
)
def test_a_dry_run_tells_the_word_that_will_be_asked_for(gasp: Gasp, tmp_path: Path, line: str, word: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text("账号\nzhangsan\n", "utf-8")
    answers = {"plan": plan(change("delete"), guards=[GUARD]), "staff.check": {**SEEN, "confirm": "7f3a9c1e"}}
    shown = gasp(*line.replace("LIST", str(file)).split(), "--dry-run", **answers)
    assert shown.code in (0, 3), shown.err
    assert f"--confirm={word}" in shown.out + shown.err
