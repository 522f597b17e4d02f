"""The hand-over sheet of one department: one page with everything that its machines and people need, in two languages.

Pure: the date is given. HTML that loads nothing, the same as plain text, and as PDF for the folder on the shelf.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

from control_plane.model import paper
from control_plane.model.internet import Direct, ProxyRule
from control_plane.model.names import to_unicode
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.offerings.internet.centre import CATEGORY_NAMES, hours_words
from control_plane.offerings.internet.pac import pac_address, proxy_address
from control_plane.offerings.internet.resources import agreed_peers, exception_contact, network_policy, proxy_policy
from control_plane.offerings.internet.rules import CHECK, check_host

#: More would not fit on the page.
MOST_RULES, MOST_DIRECT = 5, 4


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a row. `code`: to be typed as it is, the same in both languages."""

    zh: str
    en: str = ""
    code: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it is about, and its lines."""

    zh: str
    en: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that is on the sheet."""

    code: str
    name_zh: str
    name_en: str
    centre_zh: str
    centre_en: str
    as_of: str
    rows: tuple[Row, ...]


def facts(subscription: SubscriptionView, estate: EstateView, as_of: str) -> Sheet:
    """What the sheet says. Raises ValueError for a tenant without network."""
    names = subscription.tenant.names
    rows = tuple(row for row in _rows(subscription, estate) if row.lines)
    title = estate.title
    return Sheet(subscription.tenant.code, names.zh, names.en, title.zh, title.en, as_of, rows)


def _code(*texts: str) -> tuple[Line, ...]:
    return tuple(Line(text, code=True) for text in texts)


def _rows(subscription: SubscriptionView, estate: EstateView) -> Iterator[Row]:
    tenant = subscription.tenant
    network, proxy = network_policy(subscription, estate), proxy_policy(subscription, estate)
    assert tenant.network_index is not None
    segment = estate.plan.tenant(tenant.network_index)
    number = segment.gateway_number
    servers = [*estate.hosts.get("ns-primary", ()), *estate.hosts.get("ns-secondary", ())]
    if not network["enabled"]:
        yield Row("状态", "State", (Line("互联网接入已关闭", "Internet access is switched off"),))
    yield Row("本单位网段", "Your network", _code(network["v4"], network["v6"]))
    yield Row("网关", "Gateway", _code(str(segment.host_v4(number)), str(segment.host_v6(number))))
    yield Row("域名服务器", "Name servers", _code(*(f"{s.ipv4}  {s.ipv6}" for s in servers)))
    yield Row("代理服务器", "Proxy", _code(proxy_address(estate)))
    yield Row("自动代理配置（推荐）", "Automatic proxy configuration (preferred)", _code(pac_address(estate)))
    why = f"http://why.intra.{estate.domain}/"
    yield Row("网页打不开时", "When a page does not open", (
        *_code(why),
        Line(
            "用同一台机器打开，可看到被拦截的原因和申请办法；试一试：",
            "Open it on the same machine: it says why, and how to ask. Try it:",
        ),
        *_code(f"http://{check_host(estate.domain)}/"),
    ))  # fmt: skip
    yield Row("带宽与流量", "Bandwidth and volume", tuple(_tier(subscription, network)))
    yield Row(
        "全网统一规则",
        "The centre's rules",
        _shortened([_rule(r) for r in proxy["rules"] if r["owner"] == "centre" and r["id"] != CHECK], MOST_RULES),
    )
    own = [_rule(r) for r in proxy["rules"] if r["owner"] == "tenant"]
    if proxy["otherwise"] == "block":
        own.append(Line("其余网站一律拦截", "All other sites are blocked"))
    yield Row("本单位规则", "Your own rules", _shortened(own, MOST_RULES))
    yield Row("直接访问", "Direct access", _shortened([_direct(d) for d in network["direct"]], MOST_DIRECT))
    agreed, waiting = agreed_peers(subscription, estate)
    peers = [Line(estate.tenants[c].names.zh, estate.tenants[c].names.en) for c in agreed]
    peers += [
        Line(f"{estate.tenants[c].names.zh}（待对方同意）", f"{estate.tenants[c].names.en} (has not agreed yet)")
        for c in waiting
    ]
    yield Row("互联单位", "Connected with", tuple(peers))
    contact = exception_contact(subscription)
    said = " · ".join(filter(None, (contact["name"], contact["phone"], contact["email"])))
    yield Row("申请放行", "Exceptions", (Line(said),) if said else ())
    people = [" · ".join(filter(None, (c.name, c.phone, c.email))) for c in tenant.contacts]
    yield Row("本单位联系人", "Your contacts", tuple(Line(p) for p in people[:4]))


def _shortened(lines: list[Line], most: int) -> tuple[Line, ...]:
    rest = len(lines) - most
    if rest <= 0:
        return tuple(lines)
    return (*lines[:most], Line(f"……及其他 {rest} 条", f"… and {rest} more"))


def _tier(subscription: SubscriptionView, network: Any) -> Iterator[Line]:
    up, down, slow = (_rate(network[k]) for k in ("up_kbit", "down_kbit", "throttle_kbit"))
    month = f"{network['month_octets'] / 2**30:,.4g} GiB"
    warn = network["warn_percent"]
    yield Line(f"档次 {subscription.tier}：上行 {up}，下行 {down}", f"Tier {subscription.tier}: {up} up, {down} down")
    yield Line(
        f"每月 {month}；用到 {warn} % 提醒，用完后限速 {slow}，不中断",
        f"{month} a month; a warning at {warn} %, then slowed to {slow}, never cut",
    )


def _rate(kbit: int) -> str:
    return f"{kbit / 1000:g} Mbit/s" if kbit >= 1000 else f"{kbit} kbit/s"


def _rule(rule: ProxyRule) -> Line:
    zh, en = ("拦截", "block") if rule["action"] == "block" else ("放行", "allow")
    if rule["category"]:
        what_zh, what_en = CATEGORY_NAMES[rule["category"]]
    else:
        what_zh = what_en = ", ".join(to_unicode(h) for h in rule["hosts"][:3])
        if len(rule["hosts"]) > 3:
            what_zh, what_en = f"{what_zh} 等 {len(rule['hosts'])} 项", f"{what_en} and more ({len(rule['hosts'])})"
    when_zh, when_en = (f" {w}" for w in hours_words(rule["hours"])) if rule["hours"] else ("", "")
    return Line(
        f"{rule['id']}：{zh} {what_zh}{when_zh}（{rule['reason_zh']}）",
        f"{rule['id']}: {en} {what_en}{when_en} ({rule['reason_en']})",
    )


def _direct(row: Direct) -> Line:
    return Line(f"{row['source']} → {row['to']} {row['protocol']}/{row['ports']}", code=True)


# forms -------------------------------------------------------------------------------------------------------
@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=folder, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def as_html(sheet: Sheet) -> str:
    """A page of its own that loads nothing, for screens, phones and printers."""
    return _environment().get_template("sheet.html.j2").render(s=sheet)


def as_text(sheet: Sheet) -> str:
    """The same in plain text."""
    lines = [f"{sheet.name_zh}：互联网接入说明", f"{sheet.name_en}: internet access",
             f"{sheet.centre_zh} · {sheet.centre_en} · {sheet.as_of}", ""]  # fmt: skip
    for row in sheet.rows:
        lines.append(f"{row.zh} · {row.en}")
        for line in row.lines:
            lines += [f"  {line.zh}", *([f"  {line.en}"] if line.en else [])]
    return "\n".join(lines) + "\n"


def as_pdf(sheet: Sheet) -> bytes:
    """One page A4. Takes a second or two."""
    return paper.as_pdf(as_html(sheet))
