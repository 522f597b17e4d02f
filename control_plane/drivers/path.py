"""Opens one URL from a host of a tenant, as a browser there would; see `path_agent.py` for what runs there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from control_plane.drivers.probes import Runner
from control_plane.model.errors import CouldNotMeasureError
from control_plane.model.text import t

ARGV = ("python3", "-I", "-")
SECONDS = 70.0


class SshPathTester:
    """See `client_internet.PathTester`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def ask(self, host: str, url: str, proxy: str | None, why_url: str) -> Mapping[str, Any]:
        """Open the URL by the proxy, or directly when there is none."""
        request = json.dumps({"url": url, "proxy": proxy, "why_url": why_url})
        script = f"{_agent()}\n\nsys.exit(main({request!r}))\n"
        done = self._runner.run(host, ARGV, script.encode(), SECONDS)
        try:
            if done.rc != 0:
                raise ValueError(done.stderr.decode("utf-8", "replace").strip()[-200:] or f"exit status {done.rc}")
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError as error:
            raise CouldNotMeasureError(
                t("The measurement on {host} broke: {reason}.", host=host, reason=str(error).rstrip("."))
            ) from None
        return answer


@cache
def _agent() -> str:
    return resources.files("control_plane.drivers").joinpath("path_agent.py").read_text("utf-8")
