"""How values look on a page: times in Asia/Shanghai, numbers, lists, states, contents of resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import yaml
from markupsafe import Markup, escape

from control_plane.model.internet_words import label_words
from control_plane.model.names import name_both as name_both
from control_plane.model.names import url_both as url_both
from control_plane.model.naming import HOST_ROLES, actor_words, cause_words
from control_plane.model.scope import part_words, scope_words, wave_words
from control_plane.model.text import Text, language, t
from control_plane.model.windows import ZONE, span_words
from control_plane.web.services import services
from control_plane.web.states import mark

#: What a site shows that is no release by its number.
RELEASES: Mapping[str, Text] = {"starter": t("first home page"), "release": t("nothing published yet")}
#: What browsers and systems say of themselves, and what they are called; of several, the first counts.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
#: Networks that hosts are in.
ZONES: Mapping[str, Text] = {
    "core": t("the centre's network"),
    "tenant": t("a department's network"),
    "internet": t("the internet"),
}
#: What is promised beside what can be subscribed to.
BESIDE: Mapping[str, Text] = {"network": t("Network")}
NOTHING = Markup('<span class="nothing">–</span>')


def moment(value: str | datetime | None, now: datetime | None = None) -> Markup:
    """A point in time: how long ago within a day (given `now`), else date and time; the exact time as a title."""
    if not value:
        return NOTHING
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return escape(value)
    local = at.astimezone(ZONE)
    text, kind = f"{local:%Y-%m-%d %H:%M}", Markup("")
    if now is not None and timedelta(0) <= now - at < timedelta(days=1):
        text, kind = str(ago((now - at).total_seconds())), Markup(' class="ago"')  # on paper it is the exact time
    return Markup('<time datetime="{0}" title="{1} (UTC+8)"{2}>{3}</time>').format(
        at.isoformat(), f"{local:%Y-%m-%d %H:%M:%S}", kind, text
    )


def service(name: str | None) -> Markup:
    """What people call an offering."""
    if not name:
        return NOTHING
    title = services().offerings.get(name) or BESIDE.get(name)
    return escape(name if title is None else str(title))


def subscription(name: str) -> str:
    """A service of a department, from the id `CODE/OFFERING`."""
    code, _, offering = name.partition("/")
    return f"{services().offerings.get(offering, offering)} · {code}"


def brought(rollout: Mapping[str, Any]) -> str:
    """What a rollout brings: a snapshot, or the service whose settings it changes and to which revision."""
    offering, _, name = str(rollout["title"]).partition(" ")
    if rollout["kind"] != "configuration":
        return str(rollout["title"])
    revision = rollout.get("policy")
    said = name if revision is None else str(t("revision {number}", number=revision))
    return " · ".join(filter(None, (str(services().offerings.get(offering, offering)), said)))


def wave(title: str) -> str:
    """Whom a wave is for that is not that of a ring."""
    return str(wave_words(title))


def place(name: str) -> Markup:
    """`NAME:PORT`, which breaks before its port."""
    return escape(name).replace(":", Markup("<wbr>:"))


def agent(said: str) -> Markup:
    """A browser by what it says of itself: `Firefox · Windows`, or that, when it says neither."""
    told = [next((word for mark, word in words if mark in said), "") for words in (_BROWSERS, _SYSTEMS)]
    return Markup('<span title="{}">{}</span>').format(said[:160], " · ".join(filter(None, told)) or said[:80])


def exact(value: str) -> str:
    """A point in time to the second, for lines of a log."""
    return f"{datetime.fromisoformat(value).astimezone(ZONE):%H:%M:%S}"


def point(value: str) -> datetime | None:
    """The point in time that a text says, with zone; None when it says none."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=ZONE)


def stamp(value: str) -> str:
    """A point in time as files have it: ISO 8601 with the offset of Asia/Shanghai."""
    return datetime.fromisoformat(value).astimezone(ZONE).isoformat(timespec="seconds")


def ago(seconds: float) -> Text:
    """`3 minutes ago`."""
    if seconds < 60:
        return t("just now")
    if seconds < 3600:
        return t("{count} min ago", count=int(seconds // 60))
    return t("{count} h ago", count=int(seconds // 3600))


def duration(start: str | None, end: str | None) -> str:
    """Between two ISO times: `5.1 s`, `2 min 14 s`."""
    if not start or not end:
        return "–"
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    if seconds < 60:
        return str(t("{seconds} s", seconds=f"{seconds:.1f}"))
    return str(t("{minutes} min {seconds} s", minutes=int(seconds // 60), seconds=int(seconds % 60)))


def span(seconds: float | str) -> Text:
    """A length of time."""
    return span_words(seconds)


def scope(name: str) -> str:
    """What a plan, a run or a freeze is about, in words."""
    return str(scope_words(name, services().offerings))


def part(name: str) -> str:
    """What one look covers, in words."""
    return str(part_words(name))


def label(row: Mapping[str, Any]) -> Markup:
    """What a resource is called."""
    return escape(str(label_words(str(row.get("kind")), str(row["label"]))))


def who(name: str | None) -> str | Markup:
    """Who did something, as people are called."""
    return str(actor_words(name)) if name else NOTHING


def cause(name: str) -> str:
    """Why a version of a wish came to be, in words."""
    return str(cause_words(name))


def plain(value: Any) -> Markup:
    """A value for people: `–` for nothing, lists with commas, numbers with separators, yes and no."""
    match value:
        case None | "" | [] | ():
            return NOTHING
        case bool():
            return escape(str(t("yes") if value else t("no")))
        case int():
            return escape(f"{value:,}")
        case Mapping():
            return Markup(", ").join(Markup("{}={}").format(key, plain(item)) for key, item in value.items())
        case str() | Text() | float():
            return escape(str(value))
        case Sequence():
            return Markup(", ").join(plain(item) for item in value)
        case _:
            return escape(str(value))


def octets(value: int | None) -> Markup:
    """A volume: `1.2 GB`; decimal units."""
    if value is None:
        return NOTHING
    size = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return escape(f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}")
        size /= 1000
    return escape(f"{size:.1f} TB")


def content(value: Any) -> Markup:
    """The content of a resource or form, as YAML."""
    if value in (None, {}, []):
        return NOTHING
    text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=100)
    return Markup('<pre class="content" tabindex="0"><code>{}</code></pre>').format(text)


def name_of(row: Mapping[str, Any]) -> Markup:
    """A tenant's name in the reader's language; a Chinese one on an English page says that it is Chinese."""
    zh, en = row.get("name_zh") or "", row.get("name_en") or ""
    if language() == "zh_CN" or not en:
        return foreign(zh)
    return escape(en)


def foreign(text: str) -> Markup:
    """Text that people wrote, usually Chinese, on whatever page."""
    return (
        escape(text) if language() == "zh_CN" or text.isascii() else Markup('<span lang="zh-CN">{}</span>').format(text)
    )


def machine(row: Mapping[str, Any]) -> dict[str, Any]:
    """A host or machine with the names of its states. A host that runs is up; the word “running” is for runs."""
    return {
        **row,
        "shown": {"running": "up", "stopped": "down"}.get(row["state"], row["state"]),
        "ring_shown": None if row["ring"] is None else str(row["ring"]),
        "patches": f"machine-{row['patch_state']}" if row["patch_state"] else None,
        "antivirus": f"machine-{row['protection']}" if row["protection"] else None,
    }


__all__ = [
    "HOST_ROLES",
    "ZONE",
    "ago",
    "cause",
    "content",
    "duration",
    "exact",
    "foreign",
    "label",
    "machine",
    "mark",
    "moment",
    "name_of",
    "octets",
    "part",
    "plain",
    "point",
    "scope",
    "service",
    "span",
    "stamp",
    "who",
]
