"""Figures, medians and the page made from them; the bench itself is measured by nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import __main__ as entry
from bench import results
from bench.items import digest
from bench.measure import Failed, Median, Timing, alternate, line_fit, timed
from bench.results import Figure, Result


def test_a_run_is_measured_with_its_children():
    took = timed([sys.executable, "-c", "import time; sum(range(10**6)); time.sleep(0.05); print('x')"])
    assert took.seconds > 0.05 and took.cpu > 0 and took.out == b"x\n"


def test_a_run_that_fails_is_no_figure():
    with pytest.raises(Failed, match="ended with 3"):
        timed([sys.executable, "-c", "raise SystemExit(3)"])


def test_peers_take_turns_at_being_first():
    order: list[str] = []

    def work(name: str) -> Timing:
        order.append(name)
        return Timing(1.0, 0.5)

    found = alternate(3, {"a": lambda: work("a"), "b": lambda: work("b")})
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert Median.of(found["a"]) == Median(3, 1.0, 0.5, 0.0)


def test_a_line_through_points():
    assert line_fit([(4, 10.0), (12, 26.0)]) == pytest.approx((2.0, 2.0))


@pytest.mark.parametrize(
    ("better", "value", "met"),
    [("at most", 2, True), ("at most", 2.1, False), ("at least", 2, True), ("at least", 1.9, False),
     ("exactly", 2, True), ("exactly", 1, False)],
)  # fmt: skip
def test_targets(better, value, met):
    assert Figure("x", value, "", 2, better).met is met
    assert Figure("x", value, "", None, better).met is None


def test_a_partial_run_leaves_other_items_and_the_page_says_what_is_missed(tmp_path: Path):
    file, page = tmp_path / "results.json", tmp_path / "page.md"
    slow = Result("start", "Start", [Figure("`gasp --help`", 400, "ms", 300)], remarks=["As it is."])
    results.keep([slow], {"start": (1.0, 2.0)}, file)
    blind = Result("make_up", "Up", missing="the lab is in use")
    document = results.keep([blind], {}, file)
    results.write_page(document, entry.ORDER, page)
    text = page.read_text("utf-8")
    assert "| `gasp --help` | 400 ms | ≤ 300 ms | **no** |" in text
    assert "not measured: the lab is in use" in text
    assert "load 1.0 → 2.0" in text


def test_the_world_that_is_digested_is_as_large_as_it_says():
    desired = digest.world(24)
    assert len(desired) == len(digest.look(desired).resources) == 24


def test_byte_code_is_kept_whoever_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    said = timed([sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"])
    assert said.out == b"False\n"
