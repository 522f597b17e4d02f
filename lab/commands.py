"""Run the machine's own tools, quietly, with an error that says what was run and what it answered."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

#: command -> Debian package that brings it; all are needed before a lab can start.
NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "openssl": "openssl",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}


class LabError(Exception):
    """Something the lab needs did not work; the text is for the operator."""


def run(
    argv: Sequence[str | Path],
    *,
    text: str | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run `argv`, give it `text` on standard input and return its output as text.

    Raises LabError with the command and its last words when it fails (unless `check` is false) or takes
    longer than `timeout` seconds.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words[:6])}: no answer within {timeout:g} s") from error
    except FileNotFoundError as error:
        raise LabError(f"{words[0]}: command not found (package {NEEDED.get(words[0], 'unknown')})") from error
    if check and done.returncode:
        last = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"{' '.join(words[:6])}: exit status {done.returncode}: {last}")
    return done


def missing() -> list[str]:
    """Packages that the machine still lacks, sorted."""
    return sorted({package for command, package in NEEDED.items() if shutil.which(command) is None})
