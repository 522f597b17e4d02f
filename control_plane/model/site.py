"""Rules about sites that more than one room needs: their names' limits and where a preview is shown.

Pure; must not know which offering a site belongs to.
"""

from __future__ import annotations

import base64
import hashlib
import re

#: Files are named after a site's main name (`<main>.access.log` is the longest suffix; a file name has 255 octets).
MAX_MAIN = 200
#: Octets of one upload of a website, packed.
LARGEST_ARCHIVE = 256 << 20
PREVIEW_PREFIX = "preview-"
RELEASE_ID = re.compile(r"^[0-9a-f]{32}$")


def preview_name(main: str, zone: str, intra: str) -> str:
    """Where a release of the site `main` is shown before it goes live: `preview-fgw.intra.qingdao.test`.

    `zone` is the zone that `main` lies in, `intra` the internal one; all are A-label names. The first label gets
    the prefix (`preview-intra-` for an internal site) and the others stay, so that two sites never share a preview
    name. A label that grows beyond 63 octets is replaced by its hash.
    """
    first, _, rest = main.removesuffix(f".{zone}").partition(".")
    prefix = PREVIEW_PREFIX + ("intra-" if zone == intra else "")
    label = prefix + first
    if len(label) > 63:
        label = prefix + base64.b32encode(hashlib.sha256(first.encode()).digest()).decode().lower()[:32]
    return ".".join(part for part in (label, rest, intra) if part)
