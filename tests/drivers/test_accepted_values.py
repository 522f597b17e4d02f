"""Whatever a form accepts, the real servers take: nginx, named-checkzone, nftables and Squid, over generated values.

What a form refuses is another test's; here only that nothing gets past it which a server then stumbles over.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from control_plane.drivers.gateway import GatewayDriver
from control_plane.model.offering import SubscriptionView
from control_plane.model.resource import Resource
from control_plane.offerings import discover
from tests.drivers.test_gateway import Bench, a_gateway
from tests.playbooks.test_templates import SHAPES, render
from tests.unit.offerings.estates import allocate, estate, subscription, tenant
from tests.unit.offerings.test_vhosts import Prefix, prefix

__all__ = ["prefix"]
OFFERINGS = discover()
OWNER = tenant("t0001", 1)
MANY = settings(
    derandomize=True,
    deadline=timedelta(seconds=60),
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
#: Letters that mean something to a server, a shell or a spreadsheet, and Chinese ones.
HOSTILE = st.text(st.sampled_from("aZ9 中区。；;{}$'\"\\#%<>=+-@|&*()[]!,.:/\u00fc\u200b"), min_size=1, max_size=40)
LABEL = st.one_of(
    st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?", fullmatch=True),
    st.text(st.sampled_from("青岛市档案局ünAa9-"), min_size=1, max_size=12),
)
NAME = st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "t0001.qingdao.test"]))
SITE = st.fixed_dictionaries(
    {
        "title": st.fixed_dictionaries({"zh": HOSTILE, "en": HOSTILE}),
        "names": st.fixed_dictionaries({"main": NAME, "aliases": st.lists(NAME, max_size=4)}),
        "maintenance": st.booleans(),
    }
)
HOST = st.one_of(
    st.lists(LABEL, min_size=2, max_size=4).map(".".join),
    st.lists(LABEL, min_size=2, max_size=3).map(lambda labels: "." + ".".join(labels)),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(8, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    HOSTILE,
)
RULE = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["allow", "block"]),
        "hosts": st.lists(HOST, min_size=1, max_size=5),
        "reason": st.fixed_dictionaries({"zh": HOSTILE, "en": HOSTILE}),
    },
    optional={
        "hours": st.fixed_dictionaries(
            {"days": st.sampled_from(["M", "MTWHF", "AS", "SA"]), "begin": st.just("08:30"), "end": st.just("17:00")}
        )
    },
)
DIRECT = st.fixed_dictionaries(
    {
        "to": st.lists(HOST, min_size=1, max_size=3),
        "ports": st.one_of(st.integers(1, 65535).map(str), st.just("5000-5010"), HOSTILE),
        "protocol": st.sampled_from(["tcp", "udp"]),
    }
)
ACCESS = st.fixed_dictionaries({"rules": st.lists(RULE, max_size=4), "direct": st.lists(DIRECT, max_size=3)})


def accepted(offering_id: str, spec: dict[str, Any]) -> list[Resource]:
    """What it declares, when the form and the rules accept it."""
    offering = OFFERINGS[offering_id]
    assert offering.check is not None
    assert offering.desired is not None
    try:
        view: SubscriptionView = subscription(offering, OWNER, spec, "L")
    except ValidationError:
        assume(False)
    world = estate([OWNER])
    assume(not any(problem.severity == "error" for problem in offering.check(view, world)))
    if offering.claims is not None:
        world = estate([OWNER], allocate(offering, [view], world))
    return offering.desired(view, world)


def zone_of(resources: list[Resource]) -> str:
    """The zone that the names make, as a file of BIND."""
    lines = ["$ORIGIN qingdao.test.", "@ 300 IN SOA ns1 hostmaster 1 3600 600 86400 300", "@ 300 IN NS ns1"]
    lines.append("ns1 300 IN A 192.0.2.1")
    for resource in resources:
        if resource.kind == "dns.rrset":
            body = resource.attributes
            lines += [f"{body['name']}. {body['ttl']} IN {body['type']} {value}" for value in body["values"]]
    return "\n".join(lines) + "\n"


@MANY
@given(site=SITE)
def test_accepted_sites_are_taken_by_nginx_and_by_bind(prefix: Prefix, site: dict[str, Any]) -> None:
    resources = accepted("public_site", {"sites": [site]})
    (vhost,) = (r for r in resources if r.kind == "web.vhost")
    for path in (prefix.root / "sites-enabled").iterdir():
        path.unlink()
    for text in (vhost.payload["text"], vhost.payload["gone_text"]()):
        prefix.write(vhost.payload["main"], text)
        done = prefix.run("-t")
        assert (done.returncode, "warn" in done.stderr) == (0, False), (site, done.stderr)
    zone = prefix.root / "zone"
    zone.write_text(zone_of(resources), "ascii")
    command = ["named-checkzone", "-i", "none", "-k", "fail", "qingdao.test", str(zone)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, (site, checked.stdout)
    assert zone.read_text().count(" IN A ") > 1


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One with a real Squid's own check, and its real configuration."""
    if shutil.which("squid", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs squid")
    with a_gateway(tmp_path_factory.mktemp("gateway"), 2) as made:
        squid = render("gateway/templates/squid.conf.j2", SHAPES["small"], "gateway")
        (made.root / "etc/squid/squid.conf").write_text(squid)
        del made.options["parse"]
        made.driver = GatewayDriver(made.runner, ["gateway"], options=made.options)
        yield made


@settings(MANY, max_examples=20)  # each is a load and two looks
@given(spec=ACCESS)
def test_accepted_rules_are_taken_by_squid_and_nftables(gateway: Bench, spec: dict[str, Any]) -> None:
    wishes = accepted("internet", spec)
    plan = gateway.plan(wishes)
    outcomes, notices = gateway.carry_out(plan)
    assert {o.state for o in outcomes.values()} <= {"applied", "already"}, (spec, outcomes, notices)
    again = gateway.plan(wishes)
    assert [change.id for change in again.steps] == [], "the servers show what was wished"
