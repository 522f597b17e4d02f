"""The pictures of docs/guides, from those that `make screenshots` has just made.

    tools/guides.py FOLDER

Takes the pictures that a guide names, cuts them to what stands at the head of the page, reduces their colours, and
deletes those that no guide names any more. Exit code 1, and nothing changed, when one was not made.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
GUIDES = ROOT / "docs/guides"
PICTURES = GUIDES / "pictures"
#: In pixels and octets. A page that is longer is cut: what it begins with is what the guide speaks of.
WIDTH, HEIGHT, MOST = 1440, 1100, 100_000
#: Tried in this order, until the picture is small enough.
COLOURS = (256, 128, 64, 32, 16)
_NAMED = re.compile(r"\]\(\.\./pictures/([\w-]+)\.png\)")


def named() -> list[str]:
    """Names of the pictures that the guides show."""
    texts = (path.read_text("utf-8") for path in sorted(GUIDES.glob("*/*.md")))
    return sorted({name for text in texts for name in _NAMED.findall(text)})


def reduced(path: Path) -> bytes:
    """A picture as it lies beside the guides."""
    with Image.open(path) as picture:
        whole = picture.convert("RGB")
    head, made = whole.crop((0, 0, min(whole.width, WIDTH), min(whole.height, HEIGHT))), b""
    for colours in COLOURS:
        written = io.BytesIO()
        head.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
        made = written.getvalue()
        if len(made) <= MOST:
            break
    return made


def main(folder: Path) -> int:
    """Renew all of them; the exit code."""
    names = named()
    missing = [name for name in names if not (folder / f"{name}.png").is_file()]
    for name in missing:
        print(f"docs/guides: {name}.png was not made; is there a .shot() of it in tests/web?", file=sys.stderr)
    if missing:
        return 1
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        if old.stem not in names:
            old.unlink()
    for name in names:
        (PICTURES / f"{name}.png").write_bytes(reduced(folder / f"{name}.png"))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
