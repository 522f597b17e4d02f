"""Following a run: plain lines, a progress line on a real terminal, and what Ctrl-C does."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.waiting import wait_until

from .conftest import Gasp
from .fake_client import FAILURE, GUARD, change, plan, run

HERE = Path(__file__).parent
#: A process whose client applies until it is asked to stop; it says what happens in a file.
SLOW = textwrap.dedent(
    """
    import sys, threading
    sys.path.insert(0, sys.argv.pop(1))
    from pathlib import Path
    from cli.fake_client import FakeClient, events, run
    from control_plane.cli.app import App
    from control_plane.cli.main import gasp
    from control_plane.cli.places import Place
    from control_plane.model.errors import Rejected
    from control_plane.model.text import t
    diary = Path(sys.argv.pop(1))
    asked = threading.Event()
    def note(text):
        with diary.open("a") as file:
            file.write(text + "\\n")
    def apply(target, *, confirm, on_event, wait):
        for event in events()[:6]:
            on_event(event)
        note("applying")
        if "--stubborn" in diary.name:
            threading.Event().wait(300)
        asked.wait(300)
        return run("stopped")
    def stop_run(number):
        note(f"stop {number}")
        if "--forbidden" in diary.name:
            raise Rejected(t("Your token may not stop it."))
        asked.set()
    def plan(scope):
        note("planning")
        asked.wait(60)
    client = FakeClient(apply=apply, stop_run=stop_run, plan=plan)
    if "--elsewhere" in diary.name:
        client.place = Place("city", "https://console.example", "gasp_x")
    gasp.main(obj=App(make_client=lambda: client))
    """
)


def start(diary: Path, *argv: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", SLOW, str(HERE.parent), str(diary), *argv]
    env = {**os.environ, "GASP_LANG": "en", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=_with_ctrl_c
    )


def _with_ctrl_c() -> None:
    """A shell that starts its tests in the background has Ctrl-C ignored for all that comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def says(diary: Path, text: str) -> None:
    wait_until(lambda: diary.exists() and text in diary.read_text(), 60, text)


def test_first_ctrl_c_stops_the_run_at_a_boundary(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    process = start(diary, "apply", "estate", "--yes")
    says(diary, "applying")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stop 482" in diary.read_text()
    assert "Run 482 stops at the next boundary" in err
    assert "gasp runs resume 482" in err
    assert "gasp runs resume 482" in out
    assert "Traceback" not in err


def test_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    diary = tmp_path / "diary--stubborn"
    process = start(diary, "apply", "estate", "--yes")
    says(diary, "applying")
    process.send_signal(signal.SIGINT)
    says(diary, "stop 482")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "gasp runs show 482" in err


def test_a_run_elsewhere_goes_on_without_its_follower(tmp_path: Path) -> None:
    diary = tmp_path / "diary--elsewhere--forbidden"
    process = start(diary, "apply", "estate", "--yes")
    says(diary, "applying")
    process.send_signal(signal.SIGINT)
    says(diary, "stop 482")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Followed no longer. What becomes of run 482: gasp runs show 482" in err
    assert "Ended at once" not in err
    assert "Traceback" not in err


def test_ctrl_c_before_a_run_began_just_ends(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    process = start(diary, "plan")
    says(diary, "planning")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted." in err


def test_plain_lines_without_a_terminal(gasp: Gasp) -> None:
    answer = gasp("apply", "estate", "--yes")
    assert "\r" not in answer.err
    for words in (
        "begun for department dagj",
        "looked: 0 to delete, 0 to update, 3 to create",
        "2 of 3 changes",
        "✖ failed x of fgw: Refused by ns1.",
        "1 change held back: Waits.",
        "verified: planning again finds nothing",
    ):
        assert words in answer.err
    assert answer.out.splitlines()[0] == "Run 482  ● done  in 5.1 s"
    assert "Undo: gasp runs undo 482" in answer.out


def test_a_yes_given_beforehand_sees_the_plan_before_the_first_write(gasp: Gasp) -> None:
    """`apply SCOPE --yes` looks once; what it overwrites is on the screen before it does so."""
    answer = gasp("apply", "estate", "--yes", get_plan=plan(change("update", reason="drift", hand_made=True)))
    assert not answer.client.called("plan")
    assert "[drift]" in answer.err
    assert answer.err.index("[drift]") < answer.err.index("DNS zone qingdao.test: 3 changes")
    assert "Next: gasp apply" not in answer.err
    assert "[drift]" not in gasp("apply", "7f3a9c1e", "--yes").err


def test_failures_name_tenant_file_line_and_the_ways_on(gasp: Gasp) -> None:
    answer = gasp(
        "apply", "estate", "--yes", apply=run("partly", failures=[FAILURE], counts={"applied": 1, "failed": 1})
    )
    assert answer.code == 1
    assert "web:web/vhost/fgw.qingdao.test of fgw: unexpected “}” (fgw.qingdao.test.conf:18)" in answer.out
    assert "Next: gasp runs resume 482" in answer.out
    assert "Undo: gasp runs undo 482" in answer.out


def test_a_closed_pipe_is_no_fault(tmp_path: Path) -> None:
    line = f"{sys.executable} -c 'import sys; sys.exit(0)'"
    diary = tmp_path / "diary"
    program = [sys.executable, "-c", SLOW, str(HERE.parent), str(diary), "completion", "bash"]
    reader = subprocess.Popen(["sh", "-c", f"sleep 0; {line}"], stdin=subprocess.PIPE)
    done = subprocess.run(program, stdout=reader.stdin, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    reader.communicate(timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize("answer", ["dagj\n", "no\n"])
def test_on_a_real_terminal(tmp_path: Path, answer: str) -> None:
    """Question, typed word, moving progress line and colour, through a pseudo-terminal."""
    program = SLOW.replace(
        "client = FakeClient(apply=apply, stop_run=stop_run, plan=plan)",
        f"client = FakeClient(plan={plan(change('delete', destroys_data=True), guards=[GUARD])!r})",
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(GASP_LANG="en", TERM="xterm", COLUMNS="100")
        os.execv(
            sys.executable, [sys.executable, "-c", program, str(HERE.parent), str(tmp_path / "d"), "apply", "estate"]
        )
    seen = b""

    def read(until: bytes | None) -> bool:
        nonlocal seen
        if select.select([terminal], [], [], 0)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                return True
            seen += chunk
            return not chunk or (until is not None and until in seen)
        return False

    wait_until(lambda: read("Type “dagj” to carry it out.".encode()), 60, "the question")
    os.write(terminal, answer.encode())
    wait_until(lambda: read(None), 60, "the end")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    text = seen.decode()
    assert "\x1b[31m  - delete" in text
    if answer == "dagj\n":
        assert os.waitstatus_to_exitcode(status) == 0
        assert "Run 482" in text
        assert "gasp runs undo 482" in text
    else:
        assert os.waitstatus_to_exitcode(status) == 5
