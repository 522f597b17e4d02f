"""Bring-up judges what it makes real. A wish that somebody imported later waits for whoever has seen its plan."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane import day_zero, wiring
from control_plane.model.errors import TemporaryError
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.applying import Order


def promise(tenant: str, state: str) -> dict[str, Any]:
    return {"id": f"{tenant}/toy/page", "tenant": tenant, "offering": "toy", "state": state, "detail": "no such name"}


@pytest.fixture
def told(centre, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What measuring finds."""
    found: list[dict[str, Any]] = []

    class Measuring:
        def run_probes(self) -> list[dict[str, Any]]:
            return found

    monkeypatch.setattr(wiring, "store", lambda: centre.store)
    monkeypatch.setattr(wiring, "local_client", Measuring)
    return found


def verify() -> str:
    return day_zero.verify(lambda done, total, what: None)


def test_a_later_wish_is_no_promise_yet(centre, told: list[dict[str, Any]]):
    centre.tenant("t1", names=["a.qingdao.test"])
    centre.applier.apply(Order("estate"), centre.actor)
    change = SubscriptionChange("t1", "toy", "S", {"names": ["b.qingdao.test"]})
    centre.store.estate.change(centre.actor, "import 2", [change], {("t1", "toy"): []})
    told += [promise("t1", "failed"), promise("t2", "passed")]
    assert verify() == "1 promise kept; 1 service waits for its wish to be made real: gasp plan"


def test_what_is_real_is_judged(centre, told: list[dict[str, Any]]):
    centre.tenant("t1", names=["a.qingdao.test"])
    centre.applier.apply(Order("estate"), centre.actor)
    told += [promise("t1", "failed")]
    with pytest.raises(TemporaryError, match="1 of 1 promises are not kept"):
        verify()


def test_slowly_kept_ones_are_told(centre, told: list[dict[str, Any]]):
    told += [promise("t1", "passed"), promise("t1", "warning")]
    assert verify() == "2 promises kept; 1 of them slowly"


def test_what_bring_up_imported_is_judged_before_it_is_real_too(centre, told: list[dict[str, Any]]):
    centre.tenant("t1", names=["a.qingdao.test"])
    told += [promise("t1", "failed")]
    with pytest.raises(TemporaryError, match="1 of 1 promises are not kept"):
        verify()
