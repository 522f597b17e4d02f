"""Make `auto-dark.css`: the dark rules of Bootstrap and of the console for a page that follows the system's colours.

Run after either stylesheet changed; a test compares. Bootstrap's licence lies beside it.
"""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "control_plane" / "web" / "static"
SOURCES = ("vendor/bootstrap-5.3.9/bootstrap.min.css", "console.css")
DARK = re.compile(r'\[data-bs-theme="?dark"?\][^{}]*\{[^{}]*\}')


def made() -> str:
    """The text of the file."""
    rules = [
        re.sub(r'\[data-bs-theme="?dark"?\]', '[data-bs-theme="auto"]', rule)
        for name in SOURCES
        for rule in DARK.findall((STATIC / name).read_text("utf-8"))
    ]
    return "/* made by tools/auto_dark.py from Bootstrap (MIT) and console.css */\n" + "\n".join(rules) + "\n"


if __name__ == "__main__":
    (STATIC / "auto-dark.css").write_text(made(), "utf-8")
