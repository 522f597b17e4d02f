"""Desired state: generations, revisions, ends."""

from __future__ import annotations

from datetime import date

import pytest

from control_plane.model.errors import NotFound, StalePlan
from control_plane.store.estate_rows import SubscriptionChange
from tests.unit.store.conftest import tenant


def change(store, actor, spec, expected=None, code="fgw", cause="import 1"):
    store.estate.change(actor, cause, [SubscriptionChange(code, "site", "S", spec, expected)], {})


def test_generations_and_revisions(store, actor, clock):
    store.estate.put_tenants(actor, "import 1", [tenant("fgw", 1)])
    change(store, actor, {"n": 1}, expected=0)
    clock.advance(seconds=60)
    change(store, actor, {"n": 2}, expected=1, cause="activate release")
    change(store, actor, None, expected=2, cause="undo 17")
    assert [(r.generation, r.spec, r.cause, r.actor_name) for r in store.estate.revisions("fgw/site")] == [
        (1, {"n": 1}, "import 1", "local:test"),
        (2, {"n": 2}, "activate release", "local:test"),
        (3, None, "undo 17", "local:test"),
    ]
    assert store.estate.subscriptions() == []
    (ended,) = store.estate.subscriptions(ended=True)
    assert (ended.id, ended.state, ended.generation) == ("fgw/site", "ended", 3)
    ((name, revision),) = store.estate.revisions_by_cause("undo 17")
    assert (name, revision.generation) == ("fgw/site", 3)


def test_a_change_of_something_else_than_expected_is_stale_and_changes_nothing(store, actor):
    store.estate.put_tenants(actor, "import 1", [tenant("fgw", 1), tenant("czj", 2)])
    change(store, actor, {"n": 1})
    both = [SubscriptionChange("czj", "site", "S", {}, 0), SubscriptionChange("fgw", "site", "S", {}, 7)]
    with pytest.raises(StalePlan) as caught:
        store.estate.change(actor, "import 2", both, {})
    assert "fgw/site" in str(caught.value)
    assert [s.id for s in store.estate.subscriptions()] == ["fgw/site"]
    with pytest.raises(NotFound):
        change(store, actor, {}, code="nobody")


def test_observed_generation(store, actor):
    store.estate.put_tenants(actor, "import 1", [tenant("fgw", 1)])
    change(store, actor, {"n": 1})
    store.estate.set_observed({"fgw/site": 1, "gone/site": 3})
    assert store.estate.subscriptions()[0].observed_generation == 1


def test_a_tenants_document_comes_back_and_its_indices_may_swap(store, actor):
    documents = [tenant("fgw", 1, valid_from=date(2003, 1, 1), parent="czj"), tenant("czj", 2), tenant("lgbj")]
    ids = store.estate.put_tenants(actor, "import 1", documents)
    assert [row.document for row in store.estate.tenants()] == documents
    swapped = [tenant("fgw", 2, valid_from=date(2003, 1, 1), parent="czj"), tenant("czj", 1), tenant("lgbj")]
    assert store.estate.put_tenants(actor, "import 2", swapped) == ids
    assert [(row.code, row.network_index, row.generation) for row in store.estate.tenants()] == [
        ("czj", 1, 2),
        ("fgw", 2, 2),
        ("lgbj", None, 1),
    ]


def test_memory_knows_owners_that_ended(store, actor, clock):
    ids = store.estate.put_tenants(actor, "import 1", [tenant("skl", 1)])
    change(store, actor, {}, code="skl")
    store.estate.end_tenant("skl", actor, clock())
    with pytest.raises(NotFound):
        store.estate.end_tenant("skl", actor, clock())
    assert store.estate.tenants() == []
    owner = store.memory(clock()).owners[f"{ids['skl']}/site"]
    assert (owner.tenant, owner.offering, owner.marker) == ("skl", "site", f"{ids['skl']}/site")


def test_a_transaction_is_whole_or_nothing(store, actor):
    def fail_half_way():
        with store.transaction():
            store.estate.put_tenants(actor, "import 1", [tenant("fgw", 1)])
            change(store, actor, {}, code="nobody")

    with pytest.raises(NotFound):
        fail_half_way()
    assert store.estate.tenants(ended=True) == []
    assert store.estate.revisions("fgw/site") == []
