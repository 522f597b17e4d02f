"""How this centre stands, and what `gasp doctor` looks at besides the systems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from control_plane import __version__
from control_plane.model.text import Text, t, tn
from control_plane.wiring.centre import now, settings, signals, store
from control_plane.wiring.hosts import host_rows
from control_plane.wiring.planning import catalogue, drivers
from control_plane.wiring.processes import console_url

if TYPE_CHECKING:
    from control_plane.workflow.status import Check, Status


@cache
def status() -> Status:
    """Counts, hosts, accounts and checks."""
    from control_plane.workflow.status import Status

    return Status(catalogue(), drivers(), store(), host_rows, checks(), __version__, now, console_url())


def checks() -> Mapping[str, Check]:
    """What `gasp doctor` looks at besides the systems."""

    def state_folder() -> tuple[str, Text, Text | None]:
        mode = settings().state.stat().st_mode & 0o777
        if mode & 0o077:
            return (
                "failed",
                t("{path} is open to others (mode {mode}).", path=settings().state, mode=oct(mode)),
                t("chmod 0700 {path}", path=settings().state),
            )
        return "passed", t("{path}, mode 0700", path=settings().state), None

    def secret_files() -> tuple[str, Text, Text | None]:
        kept = [settings().secrets, *settings().secrets.rglob("*")]
        loose = [p for p in kept if p.stat().st_mode & 0o077]
        if loose:
            return (
                "failed",
                tn("{count} secret is open to others.", "{count} secrets are open to others.", count=len(loose)),
                t("chmod -R go= {path}", path=settings().secrets),
            )
        return (
            "passed",
            tn(
                "{count} file, open to nobody else",
                "{count} files, open to nobody else",
                count=sum(p.is_file() for p in kept),
            ),
            None,
        )

    def disk() -> tuple[str, Text, Text | None]:
        usage = os.statvfs(settings().state)
        free = usage.f_bavail * usage.f_frsize // 2**20
        if free < 1024:
            return "warning", t("{free} MB are free.", free=free), t("Free some space below {path}.", path="/var")
        return "passed", t("{free} MB are free.", free=free), None

    def hosts() -> tuple[str, Text, Text | None]:
        rows = host_rows()
        down = [r["name"] for r in rows if r["state"] != "running"]
        if down:
            return (
                "failed",
                t(
                    "{down} of {total} hosts do not run: {names}.",
                    down=len(down),
                    total=len(rows),
                    names=", ".join(down[:5]),
                ),
                t("gasp lab up"),
            )
        return "passed", tn("{total} host runs.", "{total} hosts run.", count=len(rows), total=len(rows)), None

    from control_plane.wiring.in_process import local_client
    from control_plane.workflow.nightly import Nightly
    from control_plane.workflow.worker import WorkerStatus

    worker = WorkerStatus(store(), settings().state, now).check
    return {
        **{"state": state_folder, "secrets": secret_files, "disk": disk, "hosts": hosts, "worker": worker},
        "signals": signals().check,
        "nightly": Nightly(settings().state, now).check,
        "record": lambda: local_client().by_itself.check_record(),
        "signatures": lambda: local_client().by_itself.check_signatures(),
        "signatures-by-itself": lambda: local_client().by_itself.check_going(),
        "scans": lambda: local_client().by_itself.check_scans(),
    }
