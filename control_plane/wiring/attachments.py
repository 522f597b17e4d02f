"""Files that people bring in, and who looks into them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from control_plane.wiring.centre import settings
from control_plane.wiring.hosts import runner, topology

if TYPE_CHECKING:
    from control_plane.model.attachment import FileScanner
    from control_plane.model.ports import FileStore


@cache
def files() -> FileStore:
    """Files that departments bring in."""
    from control_plane.drivers.file_folder import FileFolder

    return FileFolder(settings().state / "files")


def file_scanner() -> FileScanner:
    """The centre's antivirus engine for files that people send."""
    from control_plane.drivers.file_scan import HostScanner

    return HostScanner(runner(), topology().role_hosts("repository")[0].name)
