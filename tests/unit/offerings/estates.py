"""Small and large estates for tests of offerings: made by hand, or read from the reference estate's files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from control_plane.model.network import plan_for
from control_plane.model.offering import EstateView, HostView, Offering, SubscriptionView, TenantView
from control_plane.model.tenant import TenantNames, TenantStatus, Tier

REFERENCE = Path(__file__).parents[3] / "tenants" / "qingdao"
PLAN = plan_for("lab")
DOMAIN, BASE_DN = "qingdao.test", "dc=qingdao,dc=test"
_CORE = {"ns1": ("ns-primary", 11), "ns2": ("ns-secondary", 12), "directory": ("directory", 13)}
_PUBLIC = {"ns1": 53, "ns2": 54}


def host(name: str, role: str, number: int, public: int | None = None) -> HostView:
    return HostView(
        name,
        role,
        str(PLAN.core.host_v4(number)),
        str(PLAN.core.host_v6(number)),
        str(PLAN.internet.host_v4(public)) if public else None,
        str(PLAN.internet.host_v6(public)) if public else None,
    )


def tenant(code: str, index: int | None, status: TenantStatus = TenantStatus.SERVED, zh: str = "示例局") -> TenantView:
    return TenantView(f"t_{code}", code, TenantNames(zh=zh, en=f"Bureau {code}"), status, index)


def estate(
    tenants: Iterable[TenantView],
    allocations: Mapping[tuple[str, str], str] | None = None,
    web_hosts: int = 1,
    ttl: int = 300,
    domain: str = DOMAIN,
) -> EstateView:
    hosts = [host(name, role, number, _PUBLIC.get(name)) for name, (role, number) in _CORE.items()]
    hosts += [host(f"web{i or ''}", "web", 14 + i * 6, 80 + i) for i in range(web_hosts)]
    hosts.append(host("intranet", "intranet", 15))
    hosts.append(host("gateway", "gateway", 254))
    hosts.append(HostView("citizen", "citizen", str(PLAN.internet.host_v4(10)), str(PLAN.internet.host_v6(10))))
    by_role: dict[str, list[HostView]] = {}
    for item in hosts:
        by_role.setdefault(item.role, []).append(item)
    return EstateView(
        name="qingdao",
        title=TenantNames(zh="青岛市电子政务", en="Qingdao e-government"),
        domain=domain,
        base_dn=BASE_DN,
        plan=PLAN,
        hosts=by_role,
        tenants={t.code: t for t in tenants},
        allocations=allocations or {},
        ttl=ttl,
    )


def subscription(
    offering: Offering, owner: TenantView, spec: Mapping[str, Any] | None = None, tier: Tier = "S"
) -> SubscriptionView:
    assert offering.spec is not None
    document = offering.spec.model_validate(spec if spec is not None else offering.example)
    return SubscriptionView(owner, offering.id, tier, document)


def allocate(offering: Offering, views: Sequence[SubscriptionView], world: EstateView) -> dict[tuple[str, str], str]:
    """What the store would record for these subscriptions' claims."""
    assert offering.claims is not None
    recorded: dict[tuple[str, str], str] = {}
    for view in views:
        for claim in offering.claims(view, world):
            number = len(recorded)
            value = f"p_{number:012d}" if claim.pool == "person_key" else str(100000 + number)
            recorded.setdefault((claim.pool, claim.subject), value)
    return recorded


def reference_documents() -> list[dict[str, Any]]:
    """The reference estate's tenant documents, people read into the directory's specs."""
    found = []
    for path in sorted(REFERENCE.glob("*.yaml")):
        document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        if "code" not in document:
            continue
        people = REFERENCE / "people" / f"{document['code']}.csv"
        for wish in document.get("subscriptions", ()):
            if wish["offering"] == "directory" and people.exists():
                with people.open(encoding="utf-8", newline="") as file:
                    wish["spec"]["people"] = [
                        {k: v for k, v in row.items() if v and k != "groups"}
                        | {"groups": [g for g in row["groups"].split(";") if g]}
                        for row in csv.DictReader(file)
                    ]
        found.append(document)
    return found


def reference_estate() -> tuple[EstateView, list[dict[str, Any]]]:
    documents = reference_documents()
    views = [
        TenantView(
            f"t_{d['code']}",
            d["code"],
            TenantNames(**d["names"]),
            TenantStatus(d["status"]),
            d.get("network", {}).get("index"),
        )
        for d in documents
    ]
    return estate(views), documents


def reference_subscriptions(
    offering: Offering, world: EstateView, documents: Sequence[Mapping[str, Any]]
) -> list[SubscriptionView]:
    return [
        subscription(offering, world.tenants[d["code"]], wish["spec"], wish["tier"])
        for d in documents
        for wish in d.get("subscriptions", ())
        if wish["offering"] == offering.id
    ]
