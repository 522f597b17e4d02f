"""Where commands work: on this machine, or at a control plane elsewhere, by contexts in `~/.config/gasp/config.toml`.

`GASP_URL` and `GASP_TOKEN` come before the file; an empty `GASP_URL` means this machine. The file holds tokens, so
only its owner can read it.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from control_plane.model.errors import Rejected
from control_plane.model.text import t


@dataclass(frozen=True)
class Place:
    """A control plane elsewhere: its address, the token, and the file of the authority to trust; None: the system's."""

    name: str
    url: str
    token: str
    ca: str | None = None


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The file of contexts, whether it is there or not."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "/root") / ".config")
    return Path(base) / "gasp" / "config.toml"


def read_places(file: Path) -> tuple[dict[str, Place], str | None]:
    """Contexts by name, and which is in use. Raises Rejected for a file that is not ours to read."""
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError) as error:
        raise Rejected(
            t("{file} cannot be read: {reason}", file=file, reason=error), t("Mend it, or delete it and sign in again.")
        ) from error
    contexts = found.get("contexts")
    places = {
        name: Place(name, str(one.get("url", "")), str(one.get("token", "")), one.get("ca"))
        for name, one in (contexts if isinstance(contexts, dict) else {}).items()
        if isinstance(one, dict)
    }
    current = found.get("current")
    return places, current if current in places else None


def write_places(file: Path, places: Mapping[str, Place], current: str | None) -> None:
    """Replace the file, readable by its owner only."""
    lines = [f"current = {_quoted(current)}"] if current else []
    for place in places.values():
        lines += ["", f"[contexts.{_quoted(place.name)}]", f"url = {_quoted(place.url)}"]
        lines += [f"ca = {_quoted(place.ca)}"] if place.ca else []
        lines.append(f"token = {_quoted(place.token)}")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write("\n".join(lines).lstrip("\n") + "\n")
    fresh.replace(file)


def chosen(environ: Mapping[str, str] = os.environ) -> Place | None:
    """Where this command works; None: on this machine. Raises Rejected when an address has no token."""
    url = environ.get("GASP_URL")
    if url is not None:
        if not url:
            return None
        token = environ.get("GASP_TOKEN")
        if not token:
            raise Rejected(t("GASP_URL is set and GASP_TOKEN is not."), t("Set both, or sign in: gasp login URL"))
        return Place(url, url, token, environ.get("GASP_CA"))
    places, current = read_places(config_file(environ))
    return places[current] if current else None


def _quoted(text: str) -> str:
    """A string as TOML has it; JSON's way of quoting is one of TOML's."""
    return json.dumps(text, ensure_ascii=False)
