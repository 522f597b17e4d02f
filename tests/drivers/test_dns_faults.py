"""What goes wrong between us and a name server: nothing is concluded from half a look, nothing is written twice."""

from __future__ import annotations

import base64
import pickle
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import dns.tsig
import pytest

from control_plane.drivers import dns_session
from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.dns_wire import name_to_wire
from control_plane.model.ports import Notice, Outcome
from control_plane.model.resource import CouldNotMeasure, Measured
from tests.drivers.bind import KEY_NAME, PART, ZONES, Bind, Proxy, Script, bind, private_bind, rrset, zone_text
from tests.waiting import wait_until

__all__ = ["bind"]
SECRET = base64.b64encode(b"k" * 32)
SOA_TEXT = "ns1.core.qingdao.test. h.qingdao.test. 1 3600 600 86400 60"


@pytest.fixture
def proxy(bind: Bind) -> Iterator[Proxy]:
    relay = Proxy(bind.port)
    yield relay
    relay.close()


def reason_of(driver: DnsDriver, part: str = PART) -> str:
    look = driver.observe(part)
    assert isinstance(look, CouldNotMeasure), look
    assert look.part == part
    return str(look.reason)


# ---------------------------------------------------------------- looking


def test_a_transfer_that_breaks_off_anywhere_is_no_look(tmp_path: Path) -> None:
    lines = [f"hand{n}.qingdao.test. A 192.0.2.1" for n in range(900)]
    with private_bind(tmp_path, {"qingdao.test": zone_text("qingdao.test", lines=lines)}) as bind:
        proxy = Proxy(bind.port)
        for octets in [0, 1, 2, 40, 400, 5000, 20_000]:
            proxy.cut_after = octets
            assert "No answer" in reason_of(bind.driver(proxy.port))
        proxy.cut_after = None
        look = bind.driver(proxy.port).observe(PART)
        assert isinstance(look, Measured)
        assert len(look.foreign) == 902
        proxy.close()


def test_refused_unknown_zone_wrong_key_wrong_secret(bind: Bind, tmp_path: Path) -> None:
    other = base64.b64encode(b"z" * 32)
    texts = {
        "wrong secret": reason_of(DnsDriver("127.0.0.1", bind.port, ZONES, KEY_NAME, other)),
        "wrong key": reason_of(DnsDriver("127.0.0.1", bind.port, ZONES, "nobody.", bind.secret)),
        "not its zone": reason_of(DnsDriver("127.0.0.1", bind.port, ["x.test"], KEY_NAME, bind.secret), "dns:x.test"),
        "not ours": reason_of(bind.driver(), "dns:x.test"),
        "no file": reason_of(DnsDriver("127.0.0.1", bind.port, ZONES, KEY_NAME, tmp_path / "none")),
        "no base64": reason_of(DnsDriver("127.0.0.1", bind.port, ZONES, KEY_NAME, b"%%%")),
    }
    assert "another secret" in texts["wrong secret"]
    assert "does not know the key" in texts["wrong key"]
    assert "NOTAUTH" in texts["not its zone"]
    assert "not managed" in texts["not ours"]
    assert "cannot be read" in texts["no file"]
    assert "cannot be read" in texts["no base64"]
    assert not any(secret.decode() in text for secret in (other, bind.secret) for text in texts.values())


def test_a_server_that_refuses_transfers(tmp_path: Path) -> None:
    with private_bind(tmp_path, policy=f'allow-update {{ key "{KEY_NAME}"; }};') as bind:
        assert "REFUSED" in reason_of(bind.driver())


def test_a_zone_that_did_not_load_is_servfail_not_empty(tmp_path: Path) -> None:
    with private_bind(tmp_path, {"qingdao.test": "this is no zone file\n"}) as bind:
        assert "SERVFAIL" in reason_of(bind.driver())
        assert isinstance(bind.driver().observe("dns:intra.qingdao.test"), Measured)


def test_nobody_listens(bind: Bind) -> None:
    bind.primary.stop()
    assert "cannot be reached" in reason_of(bind.driver())


def test_the_server_is_silent(bind: Bind) -> None:
    bind.primary.halt()
    assert "in time" in reason_of(bind.driver(timeout=0.3))
    bind.primary.go_on()
    assert isinstance(bind.driver().observe(PART), Measured)


def test_clocks_that_differ(bind: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    real = dns_session.time.time
    monkeypatch.setattr(dns_session.time, "time", lambda: real() - 3600)
    assert "clocks" in reason_of(bind.driver())


def records(*rows: tuple[str, str, str]) -> list[tuple[str, str, str]]:
    return [("qingdao.test.", "SOA", SOA_TEXT), *rows, ("qingdao.test.", "SOA", SOA_TEXT)]


def signed_stream(
    question: bytes, parts: list[list[tuple[str, str, str]]], unsigned: tuple[int, ...] = ()
) -> list[bytes]:
    """Answers to a transfer question, each `parts` element a message, signed as a server does."""
    query = dns.message.from_wire(question, keyring=dns.tsig.Key(KEY_NAME, SECRET.decode(), "hmac-sha256"))
    context: Any = None
    found = []
    for number, rows in enumerate(parts):
        answer = dns.message.make_response(query)
        for name, rtype, text in rows:
            answer.answer.append(dns.rrset.from_text(name, 300, "IN", rtype, text))
        if number in unsigned:
            answer.tsig = answer.keyring = None
            wire = answer.to_wire(max_size=65535)
            context.update(wire)
        else:
            wire = answer.to_wire(multi=True, tsig_ctx=context, max_size=65535)
            context = answer.tsig_ctx
        found.append(wire)
    return found


ROWS = [(f"n{n}.qingdao.test.", "A", "192.0.2.1") for n in range(30)]
WHOLE = records(*ROWS)


def script_of(*sizes: int) -> list[list[tuple[str, str, str]]]:
    parts, at = [], 0
    for size in [*sizes, len(WHOLE)]:
        parts.append(WHOLE[at : at + size])
        at += size
    return [part for part in parts if part]


def flip(wire: bytes, offset: int | None = None) -> bytes:
    """One bit of an address, or of the octet at `offset`, turned round."""
    offset = wire.rindex(b"\xc0\0\2\1") + 3 if offset is None else offset
    return wire[:offset] + bytes([wire[offset] ^ 1]) + wire[offset + 1 :]


GOOD: dict[str, Callable[[bytes], list[bytes]]] = {
    "one message": lambda q: signed_stream(q, [WHOLE]),
    "three messages": lambda q: signed_stream(q, script_of(1, 10)),
    "not every message signed": lambda q: signed_stream(q, script_of(5, 5, 5), unsigned=(1, 2)),
}
BAD: dict[str, tuple[Callable[[bytes], list[bytes]], str]] = {
    "no last SOA": (lambda q: signed_stream(q, [WHOLE[:-1]]), "broke off after 31 records"),
    "only an SOA": (lambda q: signed_stream(q, [WHOLE[:1]]), "broke off after 1 record"),
    "no answer section": (lambda q: signed_stream(q, [[]]), "empty answer"),
    "another last SOA": (
        lambda q: signed_stream(q, [[*WHOLE[:-1], ("qingdao.test.", "SOA", SOA_TEXT.replace(" 1 ", " 2 "))]]),
        "same SOA",
    ),
    "first is no SOA": (lambda q: signed_stream(q, [WHOLE[1:]]), "same SOA"),
    "unsigned": (lambda q: unsign(signed_stream(q, [WHOLE])), "not signed"),
    "end unsigned": (lambda q: signed_stream(q, script_of(5), unsigned=(1,)), "is not signed"),
    "one bit of a record": (lambda q: [flip(signed_stream(q, [WHOLE])[0])], "not signed with the key"),
    "one bit of an unsigned message": (
        lambda q: [flip(w) if n == 1 else w for n, w in enumerate(signed_stream(q, script_of(5, 5), (1,)))],
        "not signed with the key",
    ),
    "messages in another order": (
        lambda q: [(s := signed_stream(q, script_of(5, 5)))[0], s[2], s[1]],
        "not signed with the key",
    ),
    "another question's answer": (lambda q: [flip(signed_stream(q, [WHOLE])[0], 1)], "another question"),
    "rubbish": (lambda _: [b"\0\1\2\3" * 40], "cannot be read"),
    "too short": (lambda _: [b"\0"], "cannot be read"),
    "SERVFAIL": (lambda q: [q[:2] + b"\x80\x02" + b"\0" * 8], "SERVFAIL"),
    "SERVFAIL in the middle": (
        lambda q: [*signed_stream(q, script_of(5))[:1], q[:2] + b"\x80\x02" + b"\0" * 8],
        "SERVFAIL",
    ),
    "nothing": (lambda _: [], "closed"),
}


def unsign(stream: list[bytes]) -> list[bytes]:
    found = []
    for wire in stream:
        start = wire.rindex(name_to_wire(KEY_NAME))
        found.append(wire[:10] + b"\0\0" + wire[12:start])
    return found


@pytest.mark.parametrize("answers", GOOD.values(), ids=GOOD.keys())
def test_signed_streams_are_read(answers: Callable[[bytes], list[bytes]]) -> None:
    server = Script(answers)
    look = DnsDriver("127.0.0.1", server.port, ZONES, KEY_NAME, SECRET).observe(PART)
    assert isinstance(look, Measured), look
    assert len(look.foreign) == 30
    server.close()


@pytest.mark.parametrize(("answers", "reason"), BAD.values(), ids=BAD.keys())
def test_anything_less_is_could_not_measure(answers: Callable[[bytes], list[bytes]], reason: str) -> None:
    server = Script(answers)
    assert reason in reason_of(DnsDriver("127.0.0.1", server.port, ZONES, KEY_NAME, SECRET))
    server.close()


# ---------------------------------------------------------------- writing


def test_nothing_is_sent_where_nothing_could_be_read(bind: Bind) -> None:
    plan = bind.plan([rrset("a", "A", "192.0.2.1")])
    bind.primary.stop()
    (outcome,) = bind.carry_out(plan).values()
    assert outcome.state == "failed"
    assert "cannot be reached" in str(outcome.text)


def test_a_server_that_lets_us_look_but_not_write_is_asked_once(tmp_path: Path) -> None:
    with private_bind(tmp_path, policy=f'allow-transfer {{ key "{KEY_NAME}"; }};') as bind:
        proxy = Proxy(bind.port)
        plan = bind.plan([rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(500)])
        outcomes = bind.carry_out(plan, bind.driver(proxy.port))
        assert {o.state for o in outcomes.values()} == {"failed"}
        assert "REFUSED" in str(next(iter(outcomes.values())).text)
        assert proxy.updates <= 2
        proxy.close()


def saying(bind: Bind, code: str, signed: bool = True) -> Callable[[bytes], bytes]:
    def answer(question: bytes) -> bytes:
        response = dns.message.make_response(dns.message.from_wire(question, keyring=bind.key))
        response.set_rcode(dns.rcode.from_text(code))
        if not signed:
            response.tsig = response.keyring = None
        return response.to_wire()

    return answer


CODES = {
    "SERVFAIL": ("SERVFAIL", 10, "failed"),
    "REFUSED": ("REFUSED", 2, "failed"),
    "NOTAUTH": ("NOTAUTH", 1, "failed"),
    "NOTIMP": ("NOTIMP", 1, "failed"),
    "FORMERR": ("FORMERR", 60, "failed"),
    "NXRRSET": ("NXRRSET", 100, "refused"),
}


@pytest.mark.parametrize(("code", "messages", "state"), CODES.values(), ids=CODES.keys())
def test_what_the_server_says_is_said_to_people_and_not_asked_for_ever(
    bind: Bind, proxy: Proxy, code: str, messages: int, state: str
) -> None:
    plan = bind.plan([rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(16)])
    proxy.answer_update = saying(bind, code)
    outcomes = bind.carry_out(plan, bind.driver(proxy.port))
    assert {o.state for o in outcomes.values()} == {state}
    assert all(code in str(o.text) for o in outcomes.values())
    assert proxy.updates <= messages
    assert not any("v=gasp1" in line for line in bind.lines("qingdao.test"))


@pytest.mark.parametrize("bad", ["n0", "n7", "n15"])
def test_a_fault_of_the_server_over_one_name_stops_no_other(bind: Bind, proxy: Proxy, bad: str) -> None:
    wanted = [rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n:02}") for n in range(16)]
    fail = saying(bind, "SERVFAIL")
    label = bytes((len(bad),)) + bad.encode() + b"\xc0\x0c"
    proxy.answer_update = lambda question: fail(question) if label in question else None
    outcomes = bind.carry_out(bind.plan(wanted), bind.driver(proxy.port))
    outcome = outcomes.pop(f"dns:{bad}.qingdao.test/A")
    assert (outcome.state, "SERVFAIL" in str(outcome.text)) == ("failed", True)
    assert {o.state for o in outcomes.values()} == {"applied"}


def test_an_unsigned_yes_is_not_believed(bind: Bind, proxy: Proxy) -> None:
    plan = bind.plan([rrset("a", "A", "192.0.2.1")])
    proxy.answer_update = saying(bind, "NOERROR", signed=False)
    (outcome,) = bind.carry_out(plan, bind.driver(proxy.port)).values()
    assert outcome.state == "unknown"
    assert "not signed" in str(outcome.text)


def test_a_lost_answer_is_cleared_up_by_a_look(bind: Bind, proxy: Proxy) -> None:
    wanted = [rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(20)]
    plan = bind.plan(wanted)
    proxy.lose_update_answers = 1
    serial = bind.serial("qingdao.test")
    outcomes = bind.carry_out(plan, bind.driver(proxy.port))
    assert {o.state for o in outcomes.values()} == {"already"}
    assert bind.serial("qingdao.test") == serial + 1
    assert bind.plan(wanted).empty


def test_a_lost_answer_that_nobody_can_clear_up_is_unknown(bind: Bind, proxy: Proxy) -> None:
    wanted = [rrset(f"n{n}.t{n}", "TXT", "x" * 5000, tenant=f"t{n}") for n in range(20)]
    plan = bind.plan(wanted)
    proxy.lose_update_answers = 1
    proxy.before_update = [lambda: setattr(proxy, "cut_after", 0)]
    outcomes = bind.carry_out(plan, bind.driver(proxy.port))
    states = Counter(o.state for o in outcomes.values())
    assert states["unknown"] > 0
    assert states["failed"] > 0
    assert set(states) == {"unknown", "failed"}
    again = bind.plan(wanted)
    assert again.unchanged == states["unknown"]
    assert {o.state for o in bind.carry_out(again).values()} == {"applied"}


def test_a_server_that_stops_before_acting_loses_nothing(bind: Bind) -> None:
    wanted = [rrset("a", "A", "192.0.2.1")]
    plan = bind.plan(wanted)
    driver = bind.driver(timeout=0.5)

    def fence() -> None:
        bind.primary.halt()

    outcomes = [o for o in driver.apply(PART, plan.steps, fence) if isinstance(o, Outcome)]
    assert [o.state for o in outcomes] == ["unknown"]
    bind.primary.go_on()
    wait_until(lambda: bind.plan(wanted).empty, 60, "the late message is carried out once")
    assert bind.plan(wanted).unchanged == 1


RACES: dict[str, tuple[tuple[tuple[object, ...], ...], str, str]] = {
    "the same name appears": ((("add", "n3.qingdao.test.", 300, "A", "192.0.2.66"),), "refused", "192.0.2.66"),
    "an alias appears": ((("add", "n3.qingdao.test.", 300, "CNAME", "web.qingdao.test."),), "refused", "CNAME"),
}


@pytest.mark.parametrize(("steps", "state", "named"), RACES.values(), ids=RACES.keys())
def test_what_appears_between_look_and_write_is_refused_alone(
    bind: Bind, proxy: Proxy, steps: tuple[tuple[object, ...], ...], state: str, named: str
) -> None:
    wanted = [rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(20)]
    plan = bind.plan(wanted)
    proxy.before_update = [lambda: proxy.updates > 1 or bind.by_hand("qingdao.test", *steps)]
    outcomes = bind.carry_out(plan, bind.driver(proxy.port))
    bad = outcomes.pop("dns:n3.qingdao.test/A")
    assert bad.state == state
    assert named in str(bad.text)
    assert {o.state for o in outcomes.values()} == {"applied"}
    assert proxy.updates == 2


MOVES: dict[str, tuple[object, ...]] = {
    "content": ("replace", "n3.qingdao.test.", 300, "A", "192.0.2.66"),
    "one more value": ("add", "n3.qingdao.test.", 300, "A", "192.0.2.66"),
    "gone": ("delete", "n3.qingdao.test.", "A"),
}


@pytest.mark.parametrize("when", ["before the apply", "between look and write"])
@pytest.mark.parametrize("step", MOVES.values(), ids=MOVES.keys())
def test_a_plan_that_was_overtaken_writes_nothing_there(
    bind: Bind, proxy: Proxy, step: tuple[object, ...], when: str
) -> None:
    old = [rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(6)]
    bind.reach(old)
    new = [rrset(f"n{n}", "A", "192.0.2.2", tenant=f"t{n}") for n in range(6)]
    plan = bind.plan(new)
    if when == "before the apply":
        bind.by_hand("qingdao.test", step)
    else:
        proxy.before_update = [lambda: proxy.updates > 1 or bind.by_hand("qingdao.test", step)]
    before = [line for line in bind.lines("qingdao.test") if line.startswith("n3.")]
    outcomes = bind.carry_out(plan, bind.driver(proxy.port))
    assert outcomes.pop("dns:n3.qingdao.test/A").state == "refused"
    assert {o.state for o in outcomes.values()} == {"applied"}
    if when == "before the apply":
        assert [line for line in bind.lines("qingdao.test") if line.startswith("n3.")] == before
    assert not any("192.0.2.2" in line for line in bind.lines("qingdao.test") if line.startswith("n3."))


def test_an_alias_never_vanishes_beside_what_appears_just_now(bind: Bind, proxy: Proxy) -> None:
    """The server would drop a CNAME beside other data in silence and still say yes."""
    old, new = rrset("w", "A", "192.0.2.1"), rrset("w", "CNAME", "web.qingdao.test.")
    bind.reach([old])
    plan = bind.plan([new], known=[old])
    proxy.before_update = [
        lambda: proxy.updates > 1 or bind.by_hand("qingdao.test", ("add", "w.qingdao.test.", 60, "TXT", "x"))
    ]
    outcomes = bind.carry_out(plan, bind.driver(proxy.port))
    assert outcomes["dns:w.qingdao.test/CNAME"].state == "refused"
    assert outcomes["dns:w.qingdao.test/A"].state == "applied"
    assert [line.split()[2] for line in bind.lines("qingdao.test") if line.startswith("w.")] == ["TXT"]


def test_deletes_are_overtaken_the_same_way(bind: Bind) -> None:
    old = [rrset("a", "A", "192.0.2.1"), rrset("b", "A", "192.0.2.1"), rrset("c", "A", "192.0.2.1", ttl=300)]
    bind.reach(old)
    plan = bind.plan([], known=old)
    bind.by_hand("qingdao.test", ("replace", "a.qingdao.test.", 300, "A", "192.0.2.9"), ("delete", "b.qingdao.test."))
    bind.by_hand("qingdao.test", ("replace", "c.qingdao.test.", 60, "A", "192.0.2.1"))
    states = {i: o.state for i, o in bind.carry_out(plan).items()}
    assert states == {
        "dns:a.qingdao.test/A": "refused",
        "dns:b.qingdao.test/A": "already",
        "dns:c.qingdao.test/A": "refused",
    }


def test_two_writers_with_the_same_plan_and_one_with_another(bind: Bind, proxy: Proxy) -> None:
    wanted = [rrset(f"n{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(30)]
    other = [rrset(f"n{n}", "A", "192.0.2.7", tenant=f"t{n}") for n in range(30)]
    same, different = bind.plan(wanted), bind.plan(other)
    proxy.before_update = [lambda: proxy.updates > 1 or bind.carry_out(same)]
    first = bind.carry_out(same, bind.driver(proxy.port))
    assert {o.state for o in first.values()} == {"already"}
    second = bind.carry_out(different)
    assert {o.state for o in second.values()} == {"refused"}
    assert bind.plan(wanted).empty


def test_markers_of_one_name_written_by_two_at_once(bind: Bind, proxy: Proxy) -> None:
    """The marker is read, changed and written back: the second writer must not take the first one's line away."""
    a, text = rrset("x", "A", "192.0.2.1"), rrset("x", "TXT", "m", offering="mailbox")
    plan_a, plan_text = bind.plan([a]), bind.plan([text], known=[a])
    proxy.before_update = [lambda: proxy.updates > 1 or bind.carry_out(plan_text)]
    assert {o.state for o in bind.carry_out(plan_a, bind.driver(proxy.port)).values()} == {"applied"}
    assert bind.plan([a, text]).empty


def test_the_fence_is_asked_before_each_message(bind: Bind) -> None:
    wanted = [rrset(f"n{n}", "TXT", "x" * 9000, tenant=f"t{n}") for n in range(12)]
    plan = bind.plan(wanted)
    calls: list[int] = []

    class Lost(Exception):
        pass

    def fence() -> None:
        calls.append(bind.serial("qingdao.test"))
        if len(calls) == 2:
            raise Lost

    seen: list[Outcome | Notice] = []
    with pytest.raises(Lost):
        seen.extend(bind.driver().apply(PART, plan.steps, fence))
    assert calls[1] == calls[0] + 1
    assert bind.serial("qingdao.test") == calls[1]
    bind.reach(wanted)


WRITER = """
    import os, pickle, sys
    from control_plane.model.ports import Notice
    plan, driver, stage, number = pickle.load(sys.stdin.buffer)
    for step in driver.apply("dns:qingdao.test", plan.steps, lambda: None):
        if isinstance(step, Notice) and step.stage == stage:
            number -= 1
            if not number:
                os.kill(os.getpid(), 9)
"""


BOUNDARIES = [(stage, n) for stage in DnsDriver.stages for n in (1, 2) if n == 1 or stage != "records.read"]


@pytest.mark.parametrize(("stage", "number"), BOUNDARIES)
def test_killed_at_any_boundary_and_run_again(bind: Bind, stage: str, number: int) -> None:

    gone = [rrset(f"g{n}", "A", "192.0.2.1", tenant=f"t{n}") for n in range(4)]
    bind.reach(gone)
    bind.by_hand("qingdao.test", ("add", "foreign.qingdao.test.", 300, "A", "192.0.2.9"))
    wanted = [rrset(f"n{n}", "TXT", "x" * 9000, tenant=f"t{n}") for n in range(12)]
    plan = bind.plan(wanted, known=gone)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WRITER)],
        input=pickle.dumps((plan, bind.driver(), stage, number)),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    bind.reach(wanted, known=gone)
    rows = bind.lines("qingdao.test")
    assert sum("v=gasp1" in row for row in rows) == 12
    assert sum(row.startswith("n") and " TXT " in row and "xxx" in row for row in rows) == 12
    assert any("192.0.2.9" in row for row in rows)


def test_the_server_is_killed_in_the_middle(bind: Bind, proxy: Proxy) -> None:
    wanted = [rrset(f"n{n}", "TXT", "x" * 9000, tenant=f"t{n}") for n in range(12)]
    plan = bind.plan(wanted)
    proxy.before_update = [lambda: proxy.updates > 1 and bind.primary.stop()]
    outcomes = bind.carry_out(plan, bind.driver(proxy.port))
    states = Counter(o.state for o in outcomes.values())
    assert states["applied"] > 0
    assert states["applied"] + states["unknown"] + states["failed"] == 12
    assert states["failed"] > 0


def test_one_bad_tenant_among_eighty_two(bind: Bind) -> None:
    wanted = [rrset(f"{kind}.t{n}", "A", "192.0.2.1", tenant=f"t{n:02}") for n in range(82) for kind in ("a", "b")]
    bad = [
        rrset("bad_name.t40", "A", "192.0.2.1", tenant="t40"),
        rrset("t40", "MX", "5 no.qingdao.test.", tenant="t40"),
    ]
    outcomes = bind.carry_out(bind.plan([*wanted, *bad]))
    for resource in bad:
        outcome = outcomes.pop(resource.id)
        assert outcome.state == "failed"
        assert resource.attributes["name"] in str(outcome.text)
    assert {o.state for o in outcomes.values()} == {"applied"}
    assert bind.plan(wanted).empty
