"""The gateway's spool: chain, gaps, and every line once, whatever happens to the service, the log and the clock."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.record_spool import read_segment
from control_plane.model.record import FIRST, Damaged, Segment
from tests.waiting import wait_until

from .conftest import START, Gateway, direct, proxied, sources, spool

AT = START.timestamp()


def closed(gateway: Gateway) -> list[Segment]:
    found = [read_segment(int(p.stem), p.read_bytes()) for p in sorted(gateway.folder.glob("*.seg"))]
    assert all(isinstance(s, Segment) for s in found), found
    return [s for s in found if isinstance(s, Segment)]


def hosts(segments: list[Segment]) -> list[str]:
    return [line.split("\t")[9] for s in segments for line in s.lines if line.startswith("proxy")]


def ports(segments: list[Segment]) -> list[str]:
    return [line.split("\t")[8] for s in segments for line in s.lines if line.startswith("direct")]


def gaps(segments: list[Segment]) -> list[tuple[str, str]]:
    return [(g.source, g.reason) for s in segments for g in s.gaps]


def chained(segments: list[Segment]) -> bool:
    formers = [FIRST, *(s.hash for s in segments)]
    joined = all(a.closed == b.opened for a, b in pairwise(segments))
    return joined and [s.former for s in segments] == formers[:-1]


def test_segments_make_a_chain_that_covers_the_time_and_holds_every_line(gateway: Gateway):
    gateway.start()
    for minute in range(4):
        gateway.write(proxied(AT, f"http://host-{minute}.example.test/"))
        gateway.tick(direct(gateway.time.wall, nat_port=40000 + minute), seconds=61)
    gateway.stop()
    found = closed(gateway)
    assert len(found) >= 4 and chained(found)
    assert hosts(found) == [f"host-{n}.example.test" for n in range(4)]
    assert ports(found) == ["40000", "40001", "40002", "40003"]
    assert gaps(found) == [("direct", "began")]


def test_no_traffic_is_recorded_as_no_traffic(gateway: Gateway):
    gateway.start()
    for _ in range(100):
        gateway.tick()
    gateway.stop()
    found = closed(gateway)
    assert chained(found) and sum(len(s.lines) for s in found) == 0
    assert (found[-1].closed - found[0].opened).total_seconds() == pytest.approx(100)
    beats = sum(p.read_text().count("\nB\t") for p in gateway.folder.glob("*.seg"))
    assert beats >= 20


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_end_and_a_new_start_leave_a_marked_gap_and_nothing_double(gateway: Gateway, how: str):
    gateway.start()
    gateway.write(proxied(AT, "http://before.example.test/"))
    gateway.tick(direct(gateway.time.wall))
    getattr(gateway, how)()
    gateway.write(proxied(AT, "http://between.example.test/"))
    gateway.time.go(30)
    gateway.start()
    gateway.tick()
    gateway.stop()
    found = closed(gateway)
    assert chained(found)
    assert hosts(found) == ["before.example.test", "between.example.test"]
    assert ports(found) == ["40000"]
    (gap,) = [g for s in found for g in s.gaps if g.reason != "began"]
    assert (gap.source, gap.reason) == ("direct", {"stop": "stopped", "kill": "killed"}[how])
    assert gap.seconds == pytest.approx(31, abs=1.1)


def test_a_start_of_the_host_is_told_as_such(gateway: Gateway):
    gateway.start()
    gateway.tick()
    gateway.kill()
    state = gateway.folder / "000000000001.open"
    state.write_bytes(state.read_bytes().replace(spool.boot_id().encode(), b"another-boot"))
    gateway.time.go(60)
    gateway.start()
    gateway.stop()
    assert ("direct", "host-restarted") in gaps(closed(gateway))


def test_killed_after_any_octet_the_chain_goes_on_and_no_line_is_lost_or_double(gateway: Gateway, tmp_path: Path):
    gateway.start()
    gateway.write(proxied(AT, "http://one.example.test/"))
    gateway.tick(direct(gateway.time.wall))
    gateway.write(proxied(AT, "http://two.example.test/"))
    gateway.tick()
    gateway.kill()
    gateway.time.go(5)
    whole = (gateway.folder / "000000000001.open").read_bytes()
    for length in range(0, len(whole) + 1, 7):
        shutil.rmtree(gateway.folder)
        gateway.folder.mkdir()
        (gateway.folder / "000000000001.open").write_bytes(whole[:length])
        gateway.start()
        gateway.tick()
        gateway.stop()
        found = closed(gateway)
        assert chained(found), length
        assert hosts(found) == ["one.example.test", "two.example.test"], length
        assert len(ports(found)) <= 1


def test_killed_between_sealing_and_renaming(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    gateway.start()
    gateway.tick(direct(gateway.time.wall))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            gateway.stop()
    gateway.time.go(5)
    gateway.start()
    gateway.stop()
    found = closed(gateway)
    assert chained(found) and ports(found) == ["40000"]


@pytest.mark.parametrize("alive", [True, False])
def test_rotation_loses_nothing_and_doubles_nothing(gateway: Gateway, alive: bool):
    gateway.start()
    gateway.write(proxied(AT, "http://one.example.test/"))
    gateway.tick()
    if not alive:
        gateway.kill()
    gateway.write(proxied(AT, "http://two.example.test/"))
    gateway.log.rename(gateway.log.with_name("gasp.log.1"))
    gateway.write(proxied(AT, "http://three.example.test/"))
    if not alive:
        gateway.log.with_name("gasp.log.1").rename(gateway.log.with_name("gasp.log.2"))
        gateway.log.rename(gateway.log.with_name("gasp.log.1"))
        gateway.write(proxied(AT, "http://four.example.test/"))
        for age, name in ((20, "gasp.log.2"), (10, "gasp.log.1"), (0, "gasp.log")):
            os.utime(gateway.log.with_name(name), (AT - age, AT - age))
        gateway.start()
    gateway.tick()
    if alive:  # the proxy had not let go of it yet
        with gateway.log.with_name("gasp.log.1").open("a") as late:
            late.write(proxied(AT, "http://late.example.test/"))
    for _ in range(30):
        gateway.tick()
    gateway.stop()
    wanted = ["one", "two", "late", "three"] if alive else ["one", "two", "three", "four"]
    assert hosts(closed(gateway)) == [f"{name}.example.test" for name in wanted]
    assert not [g for g in gaps(closed(gateway)) if g[0] == "proxy"]


def test_a_log_that_was_rotated_away_or_cut_is_a_gap(gateway: Gateway):
    gateway.start()
    gateway.write(*[proxied(AT, "http://one.example.test/")] * 3)
    gateway.tick()
    gateway.kill()
    gateway.log.unlink()
    gateway.log.with_name("other").write_text("takes the inode")
    gateway.write(proxied(AT, "http://two.example.test/"))
    gateway.time.go(10)
    gateway.start()
    gateway.tick()
    gateway.log.write_text(proxied(AT, "http://x.test/"))
    gateway.tick()
    gateway.stop()
    assert ("proxy", "log-lost") in gaps(closed(gateway))
    assert ("proxy", "log-truncated") in gaps(closed(gateway))
    assert hosts(closed(gateway)) == ["one.example.test"] * 3 + ["two.example.test", "x.test"]


def test_a_proxy_that_writes_no_log_is_a_gap(gateway: Gateway):
    gateway.log.unlink()
    gateway.start()
    for _ in range(130):
        gateway.tick()
    gateway.write(proxied(AT))
    gateway.tick()
    gateway.stop()
    lost = [g for s in closed(gateway) for g in s.gaps if g.reason == "no-log"]
    assert sum(g.seconds for g in lost) == pytest.approx(130, abs=3)
    assert hosts(closed(gateway)) == ["www.example.test"]


def test_clock_that_is_moved_is_told_and_breaks_nothing(gateway: Gateway):
    gateway.start()
    gateway.time.wall -= 3600
    gateway.tick(direct(gateway.time.wall))
    gateway.time.wall += 86400
    gateway.tick(direct(gateway.time.wall, nat_port=40001))
    gateway.tick()
    gateway.stop()
    found = closed(gateway)
    moved = [g.detail for s in found for g in s.gaps if g.reason == "clock-moved"]
    assert moved == ["-3600.0", "+86400.0"]
    assert [s.former for s in found] == [FIRST, *(s.hash for s in found[:-1])]
    assert ports(found) == ["40000", "40001"]


def test_lost_events_and_a_dead_tool_are_gaps(gateway: Gateway):
    gateway.start()
    gateway.tick()
    gateway.service.connections.trouble = [("direct", AT, AT + 2, "events-lost", "17")]
    gateway.tick()
    gateway.stop()
    assert ("direct", "events-lost") in gaps(closed(gateway))


def test_a_full_disk_loses_no_line_as_long_as_memory_lasts_and_is_told_afterwards(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    gateway.start()
    gateway.tick()
    write = os.write

    def full(file: int, octets: Any) -> int:
        if len(octets) > 20:
            write(file, bytes(octets)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    gateway.write(proxied(AT, "http://one.example.test/"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for number in range(5):
            gateway.tick(direct(gateway.time.wall, nat_port=40000 + number))
    gateway.tick()
    assert "No space left" in capsys.readouterr().err
    monkeypatch.setattr(spool, "HELD_LINES", 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for number in range(5):
            gateway.tick(direct(gateway.time.wall, nat_port=41000 + number))
    gateway.tick()
    gateway.stop()
    found = closed(gateway)
    assert chained(found)
    assert ports(found)[:5] == ["40000", "40001", "40002", "40003", "40004"]
    assert len(ports(found)) == len(set(ports(found)))
    assert hosts(found) == ["one.example.test"]
    assert ("direct", "disk-full") in gaps(found)


@pytest.mark.parametrize("what", ["end", "state", "name", "folder"])
def test_a_disk_that_is_full_while_a_segment_is_closed_damages_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, what: str
):
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write = os.write

    def half(file: int, octets: Any) -> int:
        return write(file, octets) if b"E\t" not in bytes(octets)[:2] else full() or 0

    gateway.start()
    gateway.tick()
    gateway.write(proxied(AT, "http://one.example.test/"))
    with monkeypatch.context() as patch:
        target, name, put = {
            "end": (os, "write", half),
            "state": (spool, "write_durably", full),
            "name": (Path, "rename", full),
            "folder": (spool, "sync_folder", full),
        }[what]
        patch.setattr(target, name, put)
        gateway.tick(direct(gateway.time.wall), seconds=61)
        gateway.write(proxied(AT, "http://two.example.test/"))
        for number in range(3):
            gateway.tick(direct(gateway.time.wall, nat_port=40001 + number))
    gateway.tick()
    gateway.stop()
    found = closed(gateway)
    assert chained(found) and len(found) == (1 if what == "end" else 2)
    assert hosts(found) == ["one.example.test", "two.example.test"]
    assert ports(found) == ["40000", "40001", "40002", "40003"]


def test_a_disk_that_cannot_be_written_makes_no_numbers(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    gateway.start()
    gateway.tick(direct(gateway.time.wall), seconds=61)

    def fixed(*_: Any) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fixed)
        for number in range(5):
            gateway.tick(direct(gateway.time.wall, nat_port=40001 + number))
    gateway.stop()
    found = closed(gateway)
    assert [s.sequence for s in found] == [1, 2] and chained(found)
    assert ports(found) == [str(port) for port in range(40000, 40006)]


@pytest.mark.parametrize("full", [False, True])
def test_no_segment_spans_a_move_of_the_clock(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, full: bool):
    gateway.start()
    gateway.tick(direct(gateway.time.wall))
    with monkeypatch.context() as patch:
        if full:
            patch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        gateway.time.wall += 86400
        gateway.tick(direct(gateway.time.wall, nat_port=40001))
        gateway.tick()
    gateway.tick(seconds=5)
    gateway.time.wall -= 86400
    for _ in range(3):
        gateway.tick()
    gateway.stop()
    found = closed(gateway)
    assert [round((s.closed - s.opened).total_seconds()) for s in found] == [1, 0 if full else 6, 2]
    assert [round(s.opened.timestamp() - AT) for s in found] == [0, 86408 if full else 86402, 9]
    assert [s.former for s in found] == [FIRST, *(s.hash for s in found[:-1])]
    assert ports(found) == ["40000", "40001"]


def test_an_orderly_end_on_a_full_disk_loses_nothing_that_was_written(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    gateway.start()
    gateway.tick(direct(gateway.time.wall))

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="space"):
            gateway.stop()
    gateway.time.go(5)
    gateway.start()
    gateway.stop()
    assert chained(closed(gateway)) and ports(closed(gateway)) == ["40000"]


LINES = {
    "http": (proxied(AT), ("http", "www.example.test", "80", "allowed")),
    "upper case and final dot": (
        proxied(AT, "http://WWW.Example.TEST./"),
        ("http", "www.example.test", "80", "allowed"),
    ),
    "connect": (proxied(AT, "www.example.test:443"), ("https", "www.example.test", "80", "allowed")),
    "connect v6": (proxied(AT, "[fd95:0:1:1::10]:443"), ("https", "fd95:0:1:1::10", "80", "allowed")),
    "idn, escaped": (proxied(AT, "http://%E6%94%BF%E5%8A%A1.test/"), ("http", "政务.test", "80", "allowed")),
    "refused": (proxied(AT, result="TCP_DENIED", status="403"), ("http", "www.example.test", "80", "refused")),
    "tab in the host": (proxied(AT, "http://a%2509b.test/"), ("http", "a%09b.test", "80", "allowed")),
    "no URL": (proxied(AT, "http://[::1"), ("http", "http://[::1", "80", "allowed")),
}


@pytest.mark.parametrize("case", LINES)
def test_lines_of_the_proxy(case: str):
    text, wanted = LINES[case]
    entry = sources.proxy_line(text.rstrip("\n"))
    assert entry is not None
    fields = entry.split("\t")[1:]
    assert (fields[4], fields[9], fields[11], fields[14]) == wanted
    assert len(fields) == 16
    assert float(fields[1]) - float(fields[2]) == pytest.approx(0.25)
    assert "/a" not in entry.split("\t")[10]


def test_what_is_no_line_is_counted_and_the_rest_goes_on(gateway: Gateway):
    gateway.start()
    gateway.write(proxied(AT, "http://one.example.test/"), "rubbish\n", proxied(AT, client="no address"))
    with gateway.log.open("ab") as file:
        file.write(b"\xff\xfe\x00\n" + proxied(AT, "http://tést.example.test/").encode("gb18030"))
        file.write(proxied(AT, "http://half.example").encode()[:-20])
    gateway.tick()
    gateway.write("")
    gateway.stop()
    found = closed(gateway)
    (told,) = [g.detail for s in found for g in s.gaps if g.reason == "unreadable"]
    assert told == "3"
    assert hosts(found)[0] == "one.example.test" and len(hosts(found)) == 2


EVENTS = {
    "new": (
        "[1795887606.897243]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT src=10.95.1.10 dst=198.18.95.10 sport=54108"
        " dport=80 [UNREPLIED] src=198.18.95.10 dst=198.18.95.254 sport=80 dport=61000 id=3087460123",
        "direct 1795887606.897243 1795887606.897243 opened tcp 10.95.1.10 54108 198.18.95.254 61000  198.18.95.10 80"
        " 0 0 allowed ",
    ),
    "end": (
        "[1795887709.906597]\t[DESTROY] ipv4     2 tcp      6 CLOSE src=10.95.1.10 dst=198.18.95.10 sport=54108"
        " dport=80 packets=6 bytes=396 src=198.18.95.10 dst=198.18.95.254 sport=80 dport=61000 packets=4 bytes=1069"
        " delta-time=3 [start=Sat Nov 28 17:40:06 2026] id=3087460123",
        "direct 1795887709.906597 1795887606.000000 closed tcp 10.95.1.10 54108 198.18.95.254 61000  198.18.95.10 80"
        " 396 1069 allowed ",
    ),
    "over IPv6": (
        "[1795887606.897243]\t    [NEW] ipv6    10 tcp      6 120 SYN_SENT src=2001:db8:95:1::10 dst=2001:db8:ff::10"
        " sport=54108 dport=80 [UNREPLIED] src=2001:db8:ff::10 dst=2001:db8:95:1::10 sport=80 dport=54108 id=7",
        "direct 1795887606.897243 1795887606.897243 opened tcp 2001:db8:95:1::10 54108   "
        " 2001:db8:ff::10 80 0 0 allowed ",
    ),
    "over IPv6 to the core": (
        "[1.0]\t[NEW] ipv6 10 udp 17 30 src=2001:db8:95:1::10 dst=2001:db8:95::11 sport=1 dport=53 src=2001:db8:95::11"
        " dst=2001:db8:95:1::10 sport=53 dport=1 id=1",
        None,
    ),
    "to the core": (
        "[1.0]\t[NEW] ipv4 2 udp 17 30 src=10.95.1.10 dst=10.95.0.11 sport=1 dport=53 src=10.95.0.11 dst=10.95.1.10"
        " sport=53 dport=1 id=1",
        None,
    ),
    "to the gateway's own address": (
        "[1.0]\t[NEW] ipv4 2 tcp 6 30 src=10.95.1.10 dst=10.95.1.254 sport=1 dport=3128 src=10.95.1.254 dst=10.95.1.10"
        " sport=3128 dport=1 id=1",
        None,
    ),
    "from outside": (
        "[1.0]\t[NEW] ipv4 2 tcp 6 30 src=198.18.95.10 dst=198.18.95.80 sport=1 dport=80 src=10.95.0.14"
        " dst=198.18.95.10 sport=80 dport=1 id=1",
        None,
    ),
    "rubbish": ("conntrack v1.4.7 (conntrack-tools): 3 flow events have been shown.", None),
}


@pytest.mark.parametrize("case", EVENTS)
def test_events_of_the_kernel(case: str):
    text, wanted = EVENTS[case]
    networks = (
        ["10.95.1.0/24", "2001:db8:95:1::/64"],
        ["10.95.0.0/24", "2001:db8:95::/64"],
        ["10.95.0.0/16", "2001:db8:95::/48"],
    )
    made = sources.Connections(*networks).entry(text)
    assert made == (None if wanted is None else "\t".join(["L", *wanted.split(" ")]))


TOOL = """#!{python}
import os, sys
if sys.argv[1] == "-E":
    for number in range(0, {events}, 100):
        lines = ({line!r} % n for n in range(number, number + 100))
        os.write(1, "".join(lines).encode())
    open({written!r}, "w").close()
"""


def test_a_burst_of_events_is_read_while_the_spool_waits_for_its_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    events, written = 20_000, tmp_path / "written"  # 4 MB through a pipe that holds 64 KB
    tool = tmp_path / "conntrack"
    line = EVENTS["new"][0].replace("id=3087460123", "id=%d") + "\n"
    tool.write_text(TOOL.format(python=sys.executable, events=events, line=line, written=str(written)))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    connections = sources.Connections(["10.95.1.0/24"], ["10.95.0.0/24"], ["10.95.0.0/16"])
    connections.start()
    came: list[str] = []

    def all_came() -> bool:
        came.extend(connections.take(AT))
        return len(came) >= events

    try:
        # Nobody takes anything, yet the tool is never held up: then the kernel's buffer does not run over.
        wait_until(written.exists, 60, "the tool could write all")
        wait_until(all_came, 60, "every event")
    finally:
        connections.stop()
    assert len(came) == events


def test_a_changed_segment_is_damaged(gateway: Gateway):
    gateway.start()
    gateway.tick(direct(gateway.time.wall))
    gateway.stop()
    (path,) = gateway.folder.glob("*.seg")
    content = path.read_bytes()
    for other in (
        content.replace(b"40000", b"40001"),
        content[:-10],
        content[: len(content) // 2],
        b"",
        content + b"x",
    ):
        assert isinstance(read_segment(1, other), Damaged)
    assert isinstance(read_segment(2, content), Damaged)
