"""A look at the directory shows everything or nothing (open-14), whatever cuts it short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.drivers.directory_entries import PART
from control_plane.model.ports import Outcome
from control_plane.model.resource import CouldNotMeasure
from tests.drivers.cut_off import Relay, relay_to
from tests.drivers.directory_world import World, carry_out, driver, look, settle, states, unit_dn
from tests.drivers.slapd import CONTROL_PLANE, PASSWORD, SUFFIX, TENANTS, Authority, Slapd, running_slapd

PEOPLE = 1200
LIMITS = "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcLimits\nolcLimits: {0}dn.exact="


def world() -> World:
    made = World()
    for code in ("fgw", "jyj", "wsj"):
        made.unit(code)
        for n in range(PEOPLE // 3):
            made.person(code, f"{code}{n:04d}")
        made.group(code, "all", (f"{code}{n:04d}" for n in range(20)))
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd")) as running:
        settle(driver(running), world())
        yield running


@pytest.fixture
def relay(server: Slapd) -> Iterator[Relay]:
    with relay_to(server.port) as made:
        yield made


def not_measured(server: Slapd, **parameters: object) -> str:
    seen = driver(server, **parameters).observe(PART)
    assert isinstance(seen, CouldNotMeasure)
    return str(seen.reason)


def limits(server: Slapd, text: str) -> None:
    server.root(f'{LIMITS}"{CONTROL_PLANE}" {text}\n', config=True)


@pytest.mark.parametrize("page", [7, 500, 5000])
def test_pages_bring_all(server: Slapd, page: int) -> None:
    under_test = driver(server)
    under_test.page = page
    seen = look(under_test)
    assert set(seen.resources) == set(world().wanted)
    assert seen.reads == 1


@pytest.mark.parametrize("limit", ["size.hard=500 size.soft=500", "size=unlimited size.prtotal=500", "time=0"])
def test_open_14_size_limit(server: Slapd, limit: str) -> None:
    limits(server, limit)
    try:
        seen = driver(server).observe(PART)
    finally:
        limits(server, "size=unlimited time=unlimited")
    if isinstance(seen, CouldNotMeasure):
        assert "Limit" in str(seen.reason)
    else:
        assert set(seen.resources) == set(world().wanted)


def test_open_14_every_cut_is_no_measurement(server: Slapd, relay: Relay) -> None:
    under_test = driver(server, port=relay.port, timeout=20)
    under_test.page = 300
    look(under_test)
    whole = relay.passed
    for part in (0, 1, 10, 55, 60, 90, 99):
        relay.limit = whole * part // 100
        seen = under_test.observe(PART)
        assert isinstance(seen, CouldNotMeasure), part
    relay.limit = None
    look(under_test)


def test_a_silent_server_is_no_measurement(server: Slapd, relay: Relay) -> None:
    under_test = driver(server, port=relay.port, timeout=3)
    look(under_test)
    relay.silent = True
    relay.limit = relay.passed // 2
    seen = under_test.observe(PART)
    assert isinstance(seen, CouldNotMeasure)
    assert "timed out" in str(seen.reason)


def test_cut_while_writing_is_unknown_and_the_next_run_finishes(server: Slapd, relay: Relay) -> None:
    made = world()
    for n in range(300):
        made.change(f"directory:person/p_fgw{n:04d}", title=["科员"])
    steps = made.plan(look(driver(server))).steps
    under_test = driver(server, port=relay.port)
    outcomes: list[Outcome] = []
    for item in under_test.apply(PART, steps, lambda: None):
        if isinstance(item, Outcome):
            outcomes.append(item)
            if len(outcomes) == 50:
                relay.limit = relay.passed + 500
    assert len(outcomes) == len(steps) == 300
    assert {o.state for o in outcomes} == {"applied", "unknown"}
    again = carry_out(driver(server), steps)
    assert states(again) == {"applied", "already"}
    assert not made.plan(look(driver(server))).changes
    settle(driver(server), world())


def test_no_connection_is_a_failure_that_wrote_nothing(server: Slapd, relay: Relay) -> None:
    relay.limit = 0
    steps = World().plan(look(driver(server))).steps
    outcomes = carry_out(driver(server, port=relay.port), steps)
    assert states(outcomes) == {"failed"}
    assert set(look(driver(server)).resources) == set(world().wanted)


def test_who_is_not_verified_is_not_asked(server: Slapd, tmp_path: Path) -> None:
    other = Authority(tmp_path, "another authority")
    assert "certificate verify failed" in not_measured(server, ca_file=other.certificate)
    assert "ostname mismatch" in not_measured(server, server_name="ldap.qingdao.test")
    assert "IP address mismatch" in not_measured(server, server_name="127.0.0.2")


def test_no_password_no_server_wrong_password(server: Slapd, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    for content, reason in ((None, "No such file"), ("\n", "is empty"), ("wrong \x00 one", "is empty")):
        if content is not None:
            wrong.write_text(content)
        assert reason in not_measured(server, password_path=wrong)
    wrong.write_text('S3cr;et"$(id) but wrong')
    reason = not_measured(server, password_path=wrong)
    assert "invalidCredentials" in reason
    assert "S3cr" not in reason
    assert "onnection refused" in not_measured(server, port=1)
    assert PASSWORD not in repr(driver(server).__dict__)


HIDING = {
    "one unit": f'to dn.base="{unit_dn("jyj")}" by * none',
    "what is in a branch": f'to dn.one="{unit_dn("jyj", "people")}" by * none',
    "the branch": f'to dn.base="{TENANTS}" by * none',
    "everything": f'to dn.subtree="{TENANTS}" by * none',
    "versions": f'to dn.subtree="{TENANTS}" attrs=entryCSN by * none',
    "marks": f'to dn.subtree="{TENANTS}" attrs=gaspOwner by * none',
    "classes": f'to dn.one="{unit_dn("fgw")}" attrs=objectClass by * none',
}


@pytest.mark.parametrize("what", HIDING)
def test_insufficient_access_is_no_measurement(server: Slapd, what: str) -> None:
    database = "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n"
    server.root(f"{database}add: olcAccess\nolcAccess: {{0}}{HIDING[what]}\n", config=True)
    try:
        assert "dc=test" in not_measured(server)
    finally:
        server.root(f"{database}delete: olcAccess\nolcAccess: {{0}}\n", config=True)
    look(driver(server))


def test_a_look_at_few_tenants(server: Slapd) -> None:
    under_test = driver(server)
    seen = look(under_test, ["jyj", "nobody"])
    assert {r.owner.tenant for i, r in world().wanted.items() if i in seen.resources} == {"jyj"}
    assert len(seen.resources) == 4 + PEOPLE // 3 + 1
    assert seen.reads == 3
    assert not look(under_test, ["nobody"]).resources
    many = look(under_test, [f"c{n}" for n in range(200)])
    assert set(many.resources) == set(world().wanted)
    assert many.reads == 1


def test_the_spelling_of_the_base_does_not_matter(server: Slapd) -> None:
    other = look(driver(server, base_dn=SUFFIX.upper().replace(",", " , ")))
    assert other.resources == look(driver(server)).resources
