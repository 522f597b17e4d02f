"""Processes in the background: web server, worker and their keepers; and taking everything away."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from control_plane.settings import LONGEST_LINE
from control_plane.wiring.centre import estate_document, now, settings, store, this_centre
from control_plane.wiring.hosts import authority, lab, topology

if TYPE_CHECKING:
    from lab.lab import Progress


#: The command line as another process of ours.
GASP = (sys.executable, "-c", "from control_plane.cli.main import run; run()")

#: Port at which departments and intranet hosts reach the console, unless a setting says another.
CONSOLE_PORT = 443

#: All that a centre keeps in its state folder; `clean` deletes these and nothing else.
STATE = (
    *("gasp.db", "gasp.db-wal", "gasp.db-shm", "gasp.db.before-*", "gasp.db.moved", "log", "looks"),
    "nightly.json",
    *("bringup.json", "web.*", "worker.*", "signals"),
    *("secrets", "ca", "releases", "lab", "ansible", "ssh", "repository", "access", "files"),
)


def console_names() -> list[str]:
    """Names and addresses that the console answers to."""
    document = store().estate.document() or estate_document()
    own = urlsplit(settings().web_url or "").hostname
    return [f"console.core.{document.domain}", "localhost", "127.0.0.1", *([own] if own else [])]


def console_door() -> dict[str, str]:
    """Where departments and intranet hosts reach the console: `address` (with port), and the `name` in its
    certificate."""
    name, *_ = console_names()
    default = f"{topology().machine_core.ip}:{CONSOLE_PORT}"
    return {"address": settings().web_listen or default, "name": urlsplit(settings().web_url or "").hostname or name}


def _listens() -> list[str]:
    """Addresses of the web server: this machine's own one, and the door, which without a setting is left out while
    this machine has no such address (no lab is up)."""
    own, door = f"127.0.0.1:{settings().console_port}", console_door()["address"]
    if settings().web_listen is None:
        with socket.socket() as trial:
            try:
                trial.bind((door.rpartition(":")[0], 0))
            except OSError:
                return [own]
    return [own, door]


def console_url() -> str | None:
    """Where the console answers, if this centre has one."""
    port = settings().console_port
    return f"https://localhost:{port}/" if port else None


def console_url_for_departments() -> str | None:
    """Where people at their own machines find the console, which is what mails say; this machine's own address
    while the console answers nowhere else."""
    url = console_url()
    return url if url is None or len(_listens()) == 1 else f"{settings().web_url or f'https://{console_names()[0]}'}/"


def web_environment() -> dict[str, str]:
    """What the web server must know: this centre, and that nobody moves it to another mount namespace."""
    return {**this_centre(), "GASP_JOINED": "web"}


def start_console() -> int | None:
    """The web server's keeper in the background, started unless it lives; its pid once a page is answered, or None for
    a centre without console."""
    import ssl
    from http.client import HTTPSConnection

    from control_plane.workflow.background import start_background

    port = settings().console_port
    if not port:
        return None

    def answers() -> bool:
        trusted = ssl.create_default_context(cafile=authority().ca_path)
        connection = HTTPSConnection("localhost", port, timeout=30, context=trusted)
        try:
            connection.request("GET", "/sign-in")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    return start_background(settings().state, "web", [*GASP, "web", "--keep"], web_environment(), answers)


def stop_console() -> bool:
    """End the web server in the background and its keeper; whether there was one."""
    from control_plane.workflow.background import stop_background

    return stop_background(settings().state, "web")


def start_worker() -> int:
    """The worker's keeper in the background, started unless it lives; its pid, once a first chore has begun."""
    from control_plane.workflow.background import start_background

    began = now()

    def answers() -> bool:
        return any(row.started_at is not None and row.started_at >= began for row in store().chores.list())

    return start_background(settings().state, "worker", [*GASP, "worker", "keep"], this_centre(), answers)


def stop_worker() -> bool:
    """End the worker and its keeper; whether there was one. A chore under way is waited for, then killed."""
    from control_plane.workflow.background import stop_background

    return stop_background(settings().state, "worker")


def keep_worker() -> NoReturn:
    """Be the worker's keeper, until SIGTERM."""
    from control_plane.workflow.background import log_of
    from control_plane.workflow.keeper import keep

    sys.exit(keep([*GASP, "worker", "run", "--log", "json"], log_of(settings().state, "worker"), settings().workers))


def keep_console() -> NoReturn:
    """Be the web server's keeper, until SIGTERM."""
    from control_plane.workflow.background import log_of
    from control_plane.workflow.keeper import keep

    sys.exit(keep([*GASP, "web"], log_of(settings().state, "web")))


def stop_processes() -> None:
    """End whatever of ours runs in the background: nothing goes on by itself without hosts."""
    stop_worker()
    stop_console()


def web_command() -> list[str]:
    """The web server's command line: processes with threads, TLS by the centre's authority, no control socket."""
    name, *others = console_names()
    names = [name, "localhost", *(n for n in others if n not in ("localhost", "127.0.0.1"))]
    certificate, key = authority().server_certificate(names, ["127.0.0.1"], now())
    return [
        *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--worker-class", "gthread"),
        *(
            "--workers",
            str(settings().web_processes),
            "--threads",
            "16",
            "--graceful-timeout",
            "10",
            "--worker-tmp-dir",
            "/dev/shm",
            "--limit-request-line",
            str(LONGEST_LINE),
        ),
        *(word for address in _listens() for word in ("--bind", address)),
        *("--certfile", str(certificate), "--keyfile", str(key)),
        *("--log-level", "warning", "control_plane.app:make_app()"),
    ]


def clean(report: Callable[[Progress], None]) -> None:
    """Take the lab down with its disks and delete all state; images in the cache stay."""
    from shutil import rmtree

    stop_processes()
    lab().clean(report)
    for path in (found for name in STATE for found in settings().state.glob(name)):
        if path.is_dir():
            rmtree(path)
        else:
            path.unlink(missing_ok=True)
