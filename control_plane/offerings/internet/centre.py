"""What the centre decides for everybody: categories, its own rules, office hours, and the sizes of the tiers.

Rules name a category; which hosts are in it is data of the gateway's proxy. Dates are when the centre decided.
"""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.model.internet import Hours, ProxyRule
from control_plane.model.tenant import Tier

#: What nobody may open, and no department may allow itself.
FORBIDDEN = ("malware", "gambling", "adult")
#: What is kept out of office hours unless a department decides otherwise.
LIMITED = ("video",)
CATEGORIES = (*FORBIDDEN, *LIMITED)
CATEGORY_NAMES: Mapping[str, tuple[str, str]] = {
    "malware": ("恶意网站", "malware"),
    "gambling": ("赌博", "gambling"),
    "adult": ("成人内容", "adult content"),
    "video": ("视频", "video"),
}
_DAYS = dict(
    zip("MTWHFAS", zip("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True), strict=True)
)
OFFICE_HOURS = Hours(days="MTWHF", begin="08:00", end="18:00")
SINCE = "2026-11-01"


def hours_words(hours: Hours) -> tuple[str, str]:
    """`周一至周五 08:00–18:00` and `Mon–Fri 08:00–18:00`."""
    days = [_DAYS[day] for day in hours["days"]]
    span = f"{hours['begin']}–{hours['end']}"
    if len(days) > 2 and hours["days"] in "MTWHFAS":
        return f"周{days[0][0]}至周{days[-1][0]} {span}", f"{days[0][1]}–{days[-1][1]} {span}"
    return f"周{'、'.join(d[0] for d in days)} {span}", f"{', '.join(d[1] for d in days)} {span}"


def _rule(category: str, hours: Hours | None, zh: str, en: str) -> ProxyRule:
    return ProxyRule(
        id=f"centre-{category}",
        action="block",
        hosts=[],
        category=category,
        hours=hours,
        owner="centre",
        since=SINCE,
        reason_zh=zh,
        reason_en=en,
    )


#: Before every rule of a department.
FIRST = (
    _rule("malware", None, "该网站传播恶意程序或钓鱼页面", "The site spreads malware or phishing pages"),
    _rule("gambling", None, "赌博网站在政务网上一律禁止", "Gambling is not allowed on the government network"),
    _rule("adult", None, "成人内容在政务网上一律禁止", "Adult content is not allowed on the government network"),
)
#: After them, so that a department may decide otherwise.
LAST = (
    _rule(
        "video",
        OFFICE_HOURS,
        "工作时间限制视频网站，以保障出口带宽",
        "Video is closed in office hours to keep the line free for work",
    ),
)

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
