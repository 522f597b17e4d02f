"""Running playbooks: outcomes told apart, and nothing left behind, on this machine without SSH."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers.ansible import PlaybookResult, run_playbook
from control_plane.model.text import in_language
from tests.waiting import wait_until

SECRET = "S3cr;et\"$(id)' 青"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
Event = tuple[str, str | None, str, str]


def play(*tasks: dict[str, Any], hosts: str = "all", **keys: Any) -> dict[str, Any]:
    return {"name": "Test", "hosts": hosts, "gather_facts": False, "tasks": list(tasks), **keys}


def command(name: str, script: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.command": {"argv": ["sh", "-c", script]}, **keys}


class Bench:
    """A folder to run playbooks in; keeps the events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workdir = folder / "work"
        self.events: list[Event] = []

    def run(self, *plays: dict[str, Any], hosts: tuple[str, ...] = ("one", "two"), **keys: Any) -> PlaybookResult:
        playbook = self.folder / "play.yml"
        playbook.write_text(json.dumps(list(plays)))
        inventory = keys.pop("inventory", {"all": {"hosts": {host: dict(LOCAL) for host in hosts}}})
        watch = keys.pop("watch", lambda event: None)

        def note(*event: Any) -> None:
            self.events.append(event)
            watch(event)

        return run_playbook(
            playbook,
            inventory,
            keys.pop("extra", {}),
            keys.pop("secret", {"secrets": {"password": SECRET}}),
            workdir=self.workdir,
            on_event=note,
            **keys,
        )

    def left_overs(self) -> list[str]:
        """Files under the work folder and processes that name it."""
        found = [str(path) for path in self.workdir.rglob("*")] if self.workdir.exists() else []
        return found + [line for line in processes() if str(self.workdir) in line]


def processes() -> list[str]:
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        lines.append(line)
    return lines


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    wait_until(lambda: not made.left_overs(), 60, "nothing left of the runs")


def test_success_counts_changes_and_tells_of_each_task(bench: Bench) -> None:
    result = bench.run(
        play(
            command("Change something", "true"),
            {"name": "Look", "ansible.builtin.assert": {"that": "word == 'hello' and colour[0] == 'red'"}},
            command("Never", "false", when=False),
        ),
        extra={"word": "hello", "colour": ["red"]},
    )
    assert result.ok
    assert not result.failures
    assert (result.changed, result.tasks, result.hosts_changed) == (2, 4, ("one", "two"))
    assert ("Test", "one", "Change something", "changed") in bench.events
    assert ("Test", "two", "Look", "ok") in bench.events
    assert ("Test", "two", "Never", "skipped") in bench.events
    assert bench.events.index(("Test", "one", "Look", "started")) < bench.events.index(("Test", "one", "Look", "ok"))


def test_failure_of_one_host_names_host_task_and_stderr_and_stops_no_other(bench: Bench) -> None:
    result = bench.run(
        play(
            command("Break", "echo the disk is full >&2; exit 3", when="inventory_hostname == 'one'"),
            command("Carry on", "true"),
        )
    )
    assert not result.ok
    (failure,) = result.failures
    assert (failure.host, failure.task, failure.unreachable) == ("one", "Break", False)
    assert "the disk is full" in failure.message
    assert result.hosts_changed == ("two",)
    with in_language("en"):
        assert "one" in str(failure.text)
        assert "Break" in str(failure.text)


def test_a_role_is_named_as_the_phase(bench: Bench) -> None:
    tasks = bench.folder / "roles" / "shelf" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(json.dumps([command("Fail here", "exit 1")]))
    result = bench.run(play({"name": "Go", "ansible.builtin.include_role": {"name": "shelf"}}), hosts=("one",))
    assert result.failures[0].role == "shelf"
    assert ("shelf", "one", "Fail here", "failed") in bench.events


def test_unreachable_is_told_apart_from_failed(bench: Bench) -> None:
    silent = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody"}
    result = bench.run(play(command("Do", "true")), inventory={"all": {"hosts": {"away": silent, "here": dict(LOCAL)}}})
    (failure,) = result.failures
    assert (failure.host, failure.unreachable) == ("away", True)
    assert "127.0.0.1" in failure.message  # whether the refusal or a broken pipe is told is a race within Ansible
    assert result.hosts_changed == ("here",)


def test_ignored_failure_is_no_failure(bench: Bench) -> None:
    result = bench.run(play(command("Try", "exit 1", ignore_errors=True)), hosts=("one",))
    assert result.ok


@pytest.mark.parametrize(
    ("playbook", "words"),
    [
        ({"name": "Test", "hosts": "all", "tasks": [{"name": "x", "no.such.module": {}}]}, "no.such.module"),
        ({"name": "Test", "hosts": "all", "nonsense": 1}, "nonsense"),
    ],
)
def test_a_playbook_that_does_not_run_says_why(bench: Bench, playbook: dict[str, Any], words: str) -> None:
    result = bench.run(playbook, hosts=("one",))
    assert not result.ok
    assert any(words in failure.message for failure in result.failures)


def test_cancel_ends_it_soon_and_ends_its_processes(bench: Bench) -> None:
    started = [False]

    def watch(event: Event) -> None:
        started[0] = event[3] == "started"

    began = time.monotonic()
    result = bench.run(
        play(command("Wait for ever", f"tail -f /dev/null {bench.workdir}/ansible-*/variables.json")),
        hosts=("one",),
        watch=watch,
        cancelled=lambda: started[0],
    )
    assert result.cancelled
    assert not result.ok
    assert time.monotonic() - began < 40


def test_a_run_has_a_time_limit(bench: Bench) -> None:
    result = bench.run(play(command("Wait for ever", "tail -f /dev/null")), hosts=("one",), timeout_seconds=3)
    assert result.timed_out
    assert not result.ok
    assert "3 s" in result.failures[0].message


def test_settings_of_the_caller_do_not_reach_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STRATEGY", "no_such_strategy")
    monkeypatch.setenv("ANSIBLE_FORKS", "many")
    assert bench.run(play(command("Do", "true")), hosts=("one",)).ok


SHAPES = {
    "the run succeeds": play(
        {
            "name": "Use it in a module",
            "ansible.builtin.command": {"argv": ["cat"], "stdin": "{{ secrets.password }}"},
            "no_log": True,
        },
    ),
    "the task fails and prints it": play(
        {
            "name": "Fail {{ secrets.password }}",
            "ansible.builtin.shell": "cat >&2; exit 1",
            "args": {"stdin": "{{ secrets.password }} {{ secrets.password | b64encode }}"},
        }
    ),
    "a loop fails at the second item": play(
        {
            "name": "Loop",
            "ansible.builtin.shell": "read x; test $x != 2",
            "args": {"stdin": "{{ item }}\n{{ secrets.password }}\n"},
            "loop": ["1", "2"],
        }
    ),
    "it is in a message of a module": play(
        {"name": "Say", "ansible.builtin.fail": {"msg": "not good: {{ secrets.password }}"}}
    ),
}


@pytest.mark.parametrize(
    ("shape", "verbosity"), [*((shape, "4") for shape in SHAPES), ("a loop fails at the second item", "0")]
)
def test_a_secret_is_in_no_event_message_or_process(
    bench: Bench, shape: str, verbosity: str, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    modes: set[int] = set()

    def watch(event: Event) -> None:
        seen.extend(processes())
        modes.update(path.stat().st_mode & 0o077 for path in bench.workdir.glob("ansible-*"))
        modes.update(path.stat().st_mode & 0o077 for path in bench.workdir.glob("ansible-*/*.json"))

    result = bench.run(SHAPES[shape], watch=watch, hosts=("one",), environment={"ANSIBLE_VERBOSITY": verbosity})
    assert result.ok == (shape == "the run succeeds")
    told = "\n".join([repr(result), repr(bench.events), *seen, *(str(f.text) for f in result.failures)])
    told += "".join(capfd.readouterr())
    coded = base64.b64encode(SECRET.encode()).decode()
    for form in (SECRET, coded, urllib.parse.quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1]):
        assert form not in told
    assert modes == {0}


CHILD = """
import json, sys
from pathlib import Path
from control_plane.drivers.ansible import run_playbook
folder = Path(sys.argv[1])
inventory = {"all": {"hosts": {"one": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}
print(run_playbook(folder / "play.yml", inventory, {}, {"a": "hidden secret"}, workdir=folder / "work",
                   on_event=lambda *event: print(event[3], flush=True)))
"""


def test_what_a_killed_run_left_is_ended_and_removed_by_the_next(bench: Bench) -> None:
    playbook = play(command("Wait for ever", "exec tail -f /dev/null"))
    (bench.folder / "play.yml").write_text(json.dumps([playbook]))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(bench.folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert list(bench.workdir.glob("ansible-*/secrets.json"))
    assert bench.run(play(command("Do", "true")), hosts=("one",)).ok
    assert not list(bench.workdir.iterdir())


def test_two_runs_in_one_folder_do_not_sweep_each_other(bench: Bench) -> None:
    inner: list[PlaybookResult] = []

    def watch(event: Event) -> None:
        if event[3] == "started" and not inner:
            other = Bench(bench.folder / "other")
            other.folder.mkdir()
            other.workdir = bench.workdir
            inner.append(other.run(play(command("Do", "true")), hosts=("one",)))

    assert bench.run(play(command("Do", "true")), hosts=("one",), watch=watch).ok
    assert inner[0].ok
