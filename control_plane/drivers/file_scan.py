"""The centre's antivirus engine for files that people send: ClamAV on the repository host, one command a batch.

Implements `model.attachment.FileScanner`; see `scan_agent.py` for what runs there. Signatures are those of the ring
that the centre's own hosts are in, as they lie there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from control_plane.drivers.agents import ARGV, pieces
from control_plane.drivers.ssh import Runner
from control_plane.model.attachment import Scan
from control_plane.model.errors import TemporaryError
from control_plane.model.text import t

SECONDS = 300.0
OPTIONS: Mapping[str, Any] = {
    "signatures": "/srv/repository/signatures/ring0", "program": "/usr/bin/clamscan", "work": "/var/tmp",
}  # fmt: skip


class HostScanner:
    """`host` is the repository host by the name SSH knows. `options` replace `OPTIONS` (tests)."""

    def __init__(self, runner: Runner, host: str, options: Mapping[str, Any] | None = None) -> None:
        self._runner, self._host = runner, host
        self._options = {**OPTIONS, **(options or {})}

    def scan(self, contents: Mapping[str, bytes]) -> Mapping[str, Scan]:
        """See `FileScanner.scan`."""
        files = [(name, len(content)) for name, content in contents.items()]
        sent = [*pieces(("scan_agent",), {**self._options, "files": files}), *contents.values()]
        done = self._runner.run(self._host, ARGV, b"".join(sent), SECONDS)
        try:
            answer = orjson.loads(done.stdout)
        except orjson.JSONDecodeError:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            answer = {"error": words[-1] if words else done.rc}
        if "error" in answer or set(answer["files"]) < set(contents):
            raise TemporaryError(
                t("The engine on host {host} could not look: {reason}", host=self._host,
                  reason=answer.get("error", "half an answer")),
                t("It is tried again; see gasp snapshots list --kind signatures."),
            )  # fmt: skip
        return {name: Scan(answer["files"][name], answer["set"]) for name in contents}
