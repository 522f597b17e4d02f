"""What is the same for everybody: the kinds of sites, how hours are written, and the sizes of the tiers.

The centre's own rules, and what is in a category, are its policy (`policy.py`), which goes out in waves.
"""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.model.internet import Hours
from control_plane.model.tenant import Tier

CATEGORY_NAMES: Mapping[str, tuple[str, str]] = {
    "malware": ("恶意网站", "malware"),
    "gambling": ("赌博", "gambling"),
    "adult": ("成人内容", "adult content"),
    "video": ("视频", "video"),
}
_DAYS = dict(
    zip("MTWHFAS", zip("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True), strict=True)
)


def hours_words(hours: Hours) -> tuple[str, str]:
    """`周一至周五 08:00–18:00` and `Mon–Fri 08:00–18:00`."""
    days = [_DAYS[day] for day in hours["days"]]
    span = f"{hours['begin']}–{hours['end']}"
    if len(days) > 2 and hours["days"] in "MTWHFAS":
        return f"周{days[0][0]}至周{days[-1][0]} {span}", f"{days[0][1]}–{days[-1][1]} {span}"
    return f"周{'、'.join(d[0] for d in days)} {span}", f"{', '.join(d[1] for d in days)} {span}"


MBIT, GIB = 1000, 2**30
WARN_PERCENT = 80
THROTTLE_KBIT = 1000
OWN_HOSTS = 200


def _tier(mbit: int, gib: int) -> dict[str, int]:
    return {
        "up_kbit": mbit * MBIT,
        "down_kbit": mbit * MBIT,
        "month_octets": gib * GIB,
        "throttle_kbit": THROTTLE_KBIT,
        "warn_percent": WARN_PERCENT,
        "own_hosts": OWN_HOSTS,
    }


TIERS: Mapping[Tier, Mapping[str, int]] = {"S": _tier(10, 50), "M": _tier(50, 200), "L": _tier(200, 1000)}
