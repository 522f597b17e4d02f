"""The web driver when things break: kills at every step, a full disk, a lost connection, a reload that fails."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from control_plane.drivers.host_journal import STEPS
from control_plane.model.errors import TemporaryError
from control_plane.model.resource import CouldNotMeasure, Resource
from control_plane.model.text import t
from tests.drivers.nginx import PART, Bench, LocalRunner, available, states

pytestmark = pytest.mark.skipif(not available(), reason="needs nginx and root")
LEFT_OVERS = ("/etc/nginx/.gasp", "/srv/sites/.gasp", "/var/lib/gasp/stage", "/var/lib/gasp/journal.json")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.nginx.start()
    yield bench
    bench.nginx.stop()


def before(bench: Bench) -> list[Resource]:
    return bench.site("old") + bench.site("stay", page="one")


def after(bench: Bench) -> list[Resource]:
    return bench.site("stay", page="two", extra="# two") + bench.site("new")


def renew(bench: Bench, code: str) -> None:
    """The centre has a newer certificate for a site than the host."""
    del bench.certificates.current[(f"{code}.qingdao.test",)]
    bench.certificates.obtain([f"{code}.qingdao.test"], bench.now)


def seen_after_a_fault(bench: Bench, unaffected: str = "stay") -> None:
    """What must hold at any moment: nginx could start, the site answers, nothing of ours looks like somebody else's."""
    assert bench.nginx.test()
    status, page = bench.nginx.get(f"{unaffected}.qingdao.test")
    assert (status, page in ("one", "two")) == (200, True)
    assert bench.look().foreign == ()


def finished(bench: Bench, desired: Sequence[Resource]) -> None:
    """One apply more, and all is as `before` or `after` want it, with nothing left over."""
    bench.settle(desired)
    here, gone, page = ("new", "old", "two") if desired == after(bench) else ("old", "new", "one")
    assert bench.nginx.get("stay.qingdao.test") == (200, page)
    assert bench.nginx.get(f"{here}.qingdao.test") == (200, f"page of {here}")
    assert bench.nginx.get(f"{gone}.qingdao.test")[0] == 421
    assert bench.nginx.certificate("stay.qingdao.test") == bench.certificates.current[("stay.qingdao.test",)][2]
    assert not [name for name in LEFT_OVERS if bench.file(name).exists()]
    pairs = sorted(p.name.partition("@")[0] for p in bench.file("/etc/nginx/tls/.pairs").iterdir())
    assert pairs == [f"{here}.qingdao.test", "stay.qingdao.test"]
    assert not bench.file(f"/srv/sites/t_{gone}").exists()


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_a_host_that_starts_and_a_rerun_finishes(bench: Bench, step: str) -> None:
    """Steps that are passed more than once are tried at each passing, there and back again, until one gets through."""
    bench.settle(before(bench))
    for passing in range(1, 200):
        desired = after(bench) if passing % 2 else before(bench)
        renew(bench, "stay")
        bench.runner.env = {"GASP_AGENT_FAULT": f"{step}:{passing}"}
        outcomes, _ = bench.bring(desired)
        bench.runner.env = {}
        if "unknown" not in states(outcomes):
            assert passing > 1, f"step {step} is never passed"
            break
        seen_after_a_fault(bench)
        finished(bench, desired)


def test_a_second_kill_while_finishing_is_no_worse(bench: Bench) -> None:
    bench.settle(before(bench))
    for step in ("operation:4", "operation:9", "files.replaced", "reload.done", "clean.operation:2"):
        bench.runner.env = {"GASP_AGENT_FAULT": step}
        bench.bring(after(bench))
        seen_after_a_fault(bench)
    bench.runner.env = {}
    finished(bench, after(bench))


@pytest.mark.parametrize("step", ["journal.written", "files.replaced", "reload.done", "stages.cleared"])
def test_a_killed_retirement_is_finished(bench: Bench, step: str) -> None:
    bench.settle(bench.site("old", retire=60) + bench.site("stay"))
    bench.runner.env = {"GASP_AGENT_FAULT": step}
    assert states(bench.bring(bench.site("stay"))[0]) == {"unknown": 3}
    bench.runner.env = {}
    bench.settle(bench.site("stay"))
    assert bench.nginx.get("old.qingdao.test")[0] == 410
    assert len(bench.plan(bench.site("stay")).retiring) == 3
    bench.now += timedelta(seconds=61)
    bench.runner.env = {"GASP_AGENT_FAULT": step}
    assert states(bench.bring(bench.site("stay"))[0]) == {"unknown": 3}
    bench.runner.env = {}
    bench.settle(bench.site("stay"))
    assert bench.nginx.get("old.qingdao.test")[0] == 421
    assert not bench.file("/srv/sites/t_old").exists()


def test_a_look_waits_for_an_apply_and_says_so_when_it_takes_too_long(bench: Bench) -> None:
    bench.settle(bench.site("stay"))
    bench.driver._options["look_seconds"] = 0.1
    with bench.file("/var/lib/gasp/lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        look = bench.driver.observe(PART)
    assert isinstance(look, CouldNotMeasure)
    assert "Another apply is at work" in str(look.reason)
    assert not bench.plan(bench.site("stay")).changes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Bench]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        bench = Bench(disk)
        bench.nginx.start()
        yield bench
        bench.nginx.stop()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_breaks_nothing_and_a_retry_finishes(small_disk: Bench) -> None:
    """The disk is filled so that it overflows at ever later points of the apply, until there is room enough."""
    bench = small_disk
    filler = bench.file("/filler")
    bench.settle(before(bench))
    reasons: set[str] = set()
    for pages in range(0, 80, 5):
        renew(bench, "stay")
        plan = bench.plan(after(bench))
        _fill(bench, filler, pages)
        outcomes, _ = bench.carry_out(plan)
        full = [o for o in outcomes.values() if o.state == "failed"]
        reasons |= {o.text.msgid for o in full if o.text}
        assert {o.state for o in outcomes.values()} <= {"applied", "failed"}
        assert bench.nginx.test()
        assert bench.nginx.get("stay.qingdao.test")[0] == 200
        assert bench.look().foreign == ()
        filler.unlink()
        finished(bench, after(bench))
        if not full:
            break
        bench.settle(before(bench))
    else:
        pytest.fail("the disk was always full")
    assert any("disk of host {host} is full" in reason for reason in reasons)


def _fill(bench: Bench, filler: Path, pages: int) -> None:
    page = bytes(4096)
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(page)
        except OSError:
            size = file.tell()
            file.truncate(max(0, size - pages * 4096))


def test_one_huge_release_that_fills_the_disk_stops_no_other(small_disk: Bench) -> None:
    bench = small_disk
    huge = bench.site("huge", files={"index.html": "x", "film.bin": "x" * (3 << 20)})
    outcomes, _ = bench.bring(huge + bench.site("gaj"))
    assert outcomes["release/huge.qingdao.test"].state == "failed"
    assert "disk of host web is full" in str(outcomes["release/huge.qingdao.test"].text)
    assert outcomes["vhost/huge.qingdao.test"].state == "failed"
    assert bench.nginx.get("gaj.qingdao.test") == (200, "page of gaj")


class CutRunner(LocalRunner):
    """A connection that breaks after some lines of the answer."""

    after = 0

    def lines(self, host: str, argv: Sequence[str], stdin: Sequence[bytes], timeout: float) -> Iterator[bytes]:
        for number, line in enumerate(super().lines(host, argv, stdin, timeout)):
            if number >= self.after:
                raise TemporaryError(t("Host {host} cannot be reached: {reason}", host=host, reason="cut by the test"))
            yield line


def test_a_lost_connection_gives_unknown_and_a_rerun_finishes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    runner = CutRunner()
    bench.driver._runner = runner
    bench.nginx.start()
    try:
        for after_lines in (0, 2, 5):
            runner.after = 99
            bench.settle(before(bench))
            runner.after = after_lines
            outcomes, _ = bench.bring(after(bench))
            assert "unknown" in states(outcomes)
            runner.after = 99
            seen_after_a_fault(bench)
            finished(bench, after(bench))
    finally:
        bench.nginx.stop()


def test_half_an_upload_changes_nothing(bench: Bench) -> None:
    bench.settle(before(bench))
    plan = bench.plan(after(bench))
    whole = bench.runner.lines

    def cut(host: str, argv: Sequence[str], stdin: Sequence[bytes], timeout: float) -> Iterator[bytes]:
        yield from whole(host, argv, [b"".join(stdin)[:-600]], timeout)

    bench.runner.lines = cut  # type: ignore[method-assign]
    outcomes, _ = bench.carry_out(plan)
    assert states(outcomes) == {"failed": len(plan.steps)}
    assert "broke before everything was sent" in str(next(iter(outcomes.values())).text)
    assert bench.plan(after(bench)).digest == plan.digest


def test_a_reload_that_fails_is_said_and_finished_later(bench: Bench) -> None:
    bench.settle(before(bench))
    reload = bench.driver._options["reload"]
    bench.driver._options["reload"] = ["sh", "-c", "echo Job for nginx.service failed; exit 1"]
    outcomes, _ = bench.bring(after(bench))
    assert states(outcomes) == {"failed": len(outcomes)}
    assert "Job for nginx.service failed" in str(outcomes["vhost/new.qingdao.test"].text)
    plan = bench.plan(after(bench))
    assert {c.id.removeprefix(PART + "/") for c in plan.changes} == set(outcomes)
    bench.driver._options["reload"] = reload
    finished(bench, after(bench))


def test_nothing_is_sent_without_the_lease(bench: Bench) -> None:
    plan = bench.plan(before(bench))
    calls = bench.runner.calls

    def fence() -> None:
        raise RuntimeError("no lease")

    with pytest.raises(RuntimeError, match="no lease"):
        list(bench.driver.apply(PART, plan.steps, fence))
    assert bench.runner.calls == calls
