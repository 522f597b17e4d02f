"""Hosts of the lab outlive their supervisor, come back when they die, and stay fenced in."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from control_plane.model.network import plan_for
from lab import cgroups
from lab.files import read_json
from lab.topology import load_topology
from tests.conftest import TEST_LAB
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
LAB = load_topology(plan_for(TEST_LAB), [])
PLACE = cgroups.detect(TEST_LAB)
AWKWARD = ["a b", "it's", '"', "$HOME", "", "*", "new\nline", "\\", "中文"]


def mark(centre, host):
    """Something that only lasts until the host's next boot."""
    centre.shell(host, "echo here > /run/marker")


def marked(centre, host):
    return centre.reach(host, "cat", "/run/marker", check=False).stdout == b"here\n"


def rebooted(centre, host):
    done = centre.reach(host, "sh", "-c", "test -e /run/marker || echo new", check=False)
    return done.stdout == b"new\n"


def supervisor(centre):
    return read_json(centre.state / "lab" / TEST_LAB / "supervisor.pid")["pid"]


def test_a_second_up_only_looks(centre):
    mark(centre, "web")
    began = time.monotonic()
    centre.run("lab", "up")
    assert time.monotonic() - began < 20
    assert marked(centre, "web")


def test_hosts_outlive_their_supervisor(centre):
    mark(centre, "directory")
    old = supervisor(centre)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: not cgroups.is_alive(old), 60, "the supervisor is gone")
    assert marked(centre, "directory")
    centre.run("lab", "up")
    assert supervisor(centre) != old
    assert marked(centre, "directory")


def test_a_rebooted_host_comes_back(centre):
    mark(centre, "intranet")
    centre.on("intranet", "reboot", check=False)
    wait_until(lambda: rebooted(centre, "intranet"), 60, "intranet has booted again")


def test_a_host_whose_watcher_was_killed_is_started_again(centre):
    mark(centre, "mail")
    watcher = cgroups.nspawn_of(PLACE.pids("mail"))
    assert watcher is not None
    os.kill(watcher, signal.SIGKILL)
    wait_until(lambda: rebooted(centre, "mail"), 60, "mail has booted again")


def test_a_host_left_without_watcher_and_supervisor_is_found(centre):
    mark(centre, "mail")
    os.kill(supervisor(centre), signal.SIGKILL)
    watcher, init = cgroups.nspawn_of(PLACE.pids("mail")), cgroups.init_of(PLACE.pids("mail"))
    assert watcher is not None
    assert init is not None
    os.kill(watcher, signal.SIGKILL)
    centre.run("lab", "up")
    wait_until(lambda: not cgroups.is_alive(init), 60, "the lost host is gone")
    assert rebooted(centre, "mail")


def test_words_input_and_status_pass_through(centre):
    blob = bytes(range(256)) * 400
    assert centre.run("lab", "run", "web", "--", "cat", stdin=blob).stdout == blob
    said = centre.run("lab", "run", "web", "--", "printf", "%s|", *AWKWARD)
    assert said.stdout.decode() == "".join(f"{word}|" for word in AWKWARD)
    failed = centre.run("lab", "run", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 37", check=37)
    assert (failed.stdout, failed.stderr) == (b"out\n", b"err\n")


def test_a_cut_host_is_reached_by_ssh_only(centre):
    web = LAB.host("web")
    for address in (web.ipv4, web.ipv6):
        centre.on("directory", "ping", "-c1", "-W5", str(address))
    centre.run("lab", "cut", "web")
    try:
        for address in (web.ipv4, web.ipv6):
            lost = centre.on("directory", "ping", "-c1", "-W1", str(address), check=False)
            assert "100% packet loss" in lost
        assert centre.on("web", "hostname") == "web\n"
    finally:
        centre.run("lab", "heal", "web")
    for address in (web.ipv4, web.ipv6):
        wait_until(
            lambda a=address: "1 received" in centre.on("directory", "ping", "-c1", "-W1", str(a), check=False), 30
        )


def test_a_stopped_host_stays_down_until_it_is_started(centre):
    centre.run("lab", "stop", "mail")
    assert cgroups.init_of(PLACE.pids("mail")) is None
    centre.run("lab", "start", "mail")
    assert centre.on("mail", "hostname") == "mail\n"


def test_the_guard_keeps_the_machine_out_of_reach(centre):
    seen: list[str] = []
    machine = [LAB.machine_core.ip, LAB.machine_management.ip, LAB.plan.core.host_v6(LAB.machine_number)]
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:

        def accept() -> None:
            while True:
                try:
                    seen.append(str(listener.accept()[1]))
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        for address in machine:
            url = f"http://[{address}]:{port}/" if address.version == 6 else f"http://{address}:{port}/"
            done = centre.reach("web", "curl", "-s", "-m", "2", url, check=False)
            assert done.returncode == 28, f"{url}: curl ended with {done.returncode}, not with a timeout"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert seen == []


def test_hosts_do_not_meet_on_the_management_network(centre):
    other = str(LAB.host("ns1").mgmt)
    assert "100% packet loss" in centre.on("web", "ping", "-c1", "-W1", other, check=False)
    assert "100% packet loss" in centre.on("gateway", "ping", "-c1", "-W1", other, check=False)


def test_a_host_knows_no_registry_and_no_way_out(centre):
    for host in ("web", "citizen", "gateway"):
        assert centre.shell(host, "ls -A /etc/apt/sources.list.d; cat /etc/apt/sources.list 2>/dev/null || true") == ""
    assert centre.on("gateway", "ip", "route", "show", "default") == ""


def test_no_two_hosts_share_a_key(centre):
    folder = Path("/etc/ssh")
    keys = {centre.on(host.name, "cat", str(folder / "ssh_host_ed25519_key.pub")) for host in LAB.hosts}
    assert len(keys) == len(LAB.hosts)
    assert centre.on("ns1", "cat", "/etc/machine-id") != centre.on("ns2", "cat", "/etc/machine-id")
    assert centre.on("ns1", "cat", "/etc/bind/rndc.key") != centre.on("ns2", "cat", "/etc/bind/rndc.key")
