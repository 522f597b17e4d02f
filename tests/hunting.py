"""Looks for secrets where they must not be: plain, in base64 of a text around them, in URL and JSON form, as hex."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus


class Hunt:
    """What was planted, and where it was found again."""

    def __init__(self) -> None:
        self._planted: dict[str, str] = {}

    def plant(self, name: str, secret: str) -> str:
        """Remember a secret; returns it. Shorter ones would be found by chance."""
        assert len(secret) >= 12, name
        self._planted[secret] = name
        return secret

    def forms(self) -> dict[bytes, str]:
        """Every form of every secret → its name."""
        found: dict[bytes, str] = {}
        for secret, name in self._planted.items():
            plain = secret.encode()
            escaped = {quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
            for form in {plain, plain.hex().encode(), *(text.encode() for text in escaped), *_in_base64(plain)}:
                found[form] = name
        return found

    def leaks(self, places: Mapping[str, bytes]) -> list[tuple[str, str]]:
        """(place, name of the secret) of everything that is found."""
        forms = self.forms()
        found = {(where, name) for where, content in places.items() for form, name in forms.items() if form in content}
        return sorted(found)


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """What of it stands in the base64 of any text around it: three ways, in both alphabets."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + plain)
        inner = coded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def files(folder: Path, *without: str) -> dict[str, bytes]:
    """Every file below a folder but those below folders of these names at its top."""
    kept = [path for path in folder.iterdir() if path.name not in without]
    found = [file for path in kept for file in ([path] if path.is_file() else path.rglob("*"))]
    return {str(file): content for file in found if (content := _content(file)) is not None}


def _content(file: Path) -> bytes | None:
    """None for folders, sockets, and what went away meanwhile.

    Another process reads a database: SQLite's locks are those of a process, and gone once it closes the file by itself;
    then its connections, those in use and those to come, read what others are just writing ("malformed").
    """
    if not file.is_file():
        return None
    if ".db" in file.name:
        done = subprocess.run(["cat", str(file)], capture_output=True)
        return done.stdout if done.returncode == 0 else None
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def watched_processes() -> Iterator[set[bytes]]:
    """Every command line that any process of this machine had while the block lasted, as far as a look catches it."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(process.read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
