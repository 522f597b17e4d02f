"""Looks at files by ClamAV with the centre's own set of signatures. Runs ON the repository host, sent over SSH.

Standard library only; nothing of it and nothing of the files stays there. Must not say clean of what it did not see.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

SECONDS = 240
#: `max-scantime`, in ms, is beyond SECONDS: by itself clamscan calls infected what a busy host looks at for 2 minutes.
LIMITS = (
    "--max-filesize=160M", "--max-scansize=512M", "--max-files=20000", "--max-recursion=30", "--alert-exceeds-max=yes",
    "--alert-encrypted=yes", "--max-scantime=300000",
)  # fmt: skip


def look(request: dict[str, Any], source: IO[bytes]) -> dict[str, Any]:
    """`{set, files: {name: found | None}}`, or `{error}`."""
    folder = Path(request["signatures"])
    try:
        signatures = json.loads((folder / "manifest.json").read_text("utf-8"))["id"]
    except (OSError, ValueError, KeyError) as error:
        return {"error": f"no signatures: {error}"}
    with tempfile.TemporaryDirectory(prefix="gasp-scan-", dir=request["work"]) as name:
        place = Path(name)
        for file, octets in request["files"]:
            content = source.read(octets)
            if len(content) < octets:
                return {"error": "the files did not arrive whole"}
            (place / file).write_bytes(content)
        argv = [
            request["program"],
            f"--database={folder.resolve()}",
            "--stdout",
            "--no-summary",
            *LIMITS,
            "--recursive",
        ]
        try:
            done = subprocess.run([*argv, "--", name], capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return {"error": f"clamscan: {error}"[:300]}
    found: dict[str, str | None] = {}
    for line in os.fsdecode(done.stdout).splitlines():
        path, sign, said = line.rpartition(": ")
        file = path.rpartition("/")[2]
        if sign and said == "OK":
            found.setdefault(file, None)
        elif sign and said.endswith(" FOUND"):
            found[file] = said.removesuffix(" FOUND")
    missing = [file for file, _ in request["files"] if file not in found]
    if done.returncode not in (0, 1) or missing:
        words = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        return {"error": f"clamscan ended with {done.returncode}: {' '.join(words[-2:])}"[:300]}
    return {"set": signatures, "files": found}


def serve(source: IO[bytes]) -> None:
    """Answer the request on `source`: a length in decimal on a line, that many octets of JSON, then the files."""
    os.umask(0o077)
    request = json.loads(source.read(int(source.readline())))
    sys.stdout.write(json.dumps(look(request, source)) + "\n")
