"""The text of a site's nginx file.

Every value that is put into the text is checked against what such a value can be, so that nothing a department
types can end a line or a directive. What the host's own nginx.conf must provide is listed in docs/add-an-offering.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from control_plane.model.site_sign_in import CACHE_SECONDS, DOOR, ENTRANCE, Gate

if TYPE_CHECKING:
    from jinja2 import Template

State = Literal["live", "maintenance", "gone"]
_SAFE = re.compile(r"[A-Za-z0-9._:/-]{1,400}\Z")
_STYLE = (
    ":root{color-scheme:light dark}h1{font-size:1.5rem}"
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}"
)
_PAGE = (
    '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
    "<style>{style}</style></head><body><main><h1>{zh}</h1><p>{zh_more}</p>"
    '<div lang="en"><h2>{en}</h2><p>{en_more}</p></div></main></body></html>'
)
#: No value of a form is on these pages; they hold none of `'`, `\` and `$`, which mean something to nginx.
PAGES: dict[int, str] = {
    503: _PAGE.format(
        title="网站维护中",
        style=_STYLE,
        zh="网站维护中",
        zh_more="本网站正在维护，请稍后再来。",
        en="This site is being maintained",
        en_more="Please come back later.",
    ),
    410: _PAGE.format(
        title="网站已关闭",
        style=_STYLE,
        zh="网站已关闭",
        zh_more="本网站已经停止服务。",
        en="This site has been closed",
        en_more="It is no longer served at this address.",
    ),
}
#: What visitors of a site that asks for sign-in may be shown instead of its pages, under the same rule.
GATE_PAGES: dict[str, str] = {
    "department": _PAGE.format(
        title="无权访问",
        style=_STYLE,
        zh="您无权访问本网站",
        zh_more="您已登录，但本网站只供其所属单位及其指定单位的人员阅读。如有需要，请联系该单位。",
        en="You may not read this website",
        en_more="You are signed in, but it is only for people of its department and of those it names. "
        "Ask that department if you need it.",
    ),
    "groups": _PAGE.format(
        title="无权访问",
        style=_STYLE,
        zh="您无权访问本网站",
        zh_more="您已登录，但本网站只供其所属单位某些用户组的成员阅读。如有需要，请联系该单位。",
        en="You may not read this website",
        en_more="You are signed in, but it is only for members of certain groups of its department. "
        "Ask that department if you need it.",
    ),
    "away": _PAGE.format(
        title="暂时无法核实身份",
        style=_STYLE,
        zh="暂时无法核实您的身份",
        zh_more="本网站需要登录，而登录服务此刻没有应答，因此不显示任何内容。请几分钟后再试。",
        en="Nobody can be recognised just now",
        en_more="This website asks for sign-in, and the sign-in does not answer. Nothing is shown until it does; "
        "try again in a few minutes.",
    ),
    "again": _PAGE.format(
        title="登录未完成",
        style=_STYLE,
        zh="登录未完成",
        zh_more='登录链接已过期、已使用过，或浏览器没有保存本网站的 Cookie。<a href="/">重新登录</a>',
        en="The sign-in was not completed",
        en_more="The link was too old or used before, or the browser kept no cookie of this site. "
        '<a href="/">Sign in again</a>',
    ),
}


@dataclass(frozen=True)
class Vhost:
    """What a vhost's text is made of. `networks` None: everybody; else only these prefixes. `gate`: who may read it
    after a sign-in; None asks nobody."""

    id: str
    owner: str
    main: str
    names: Sequence[str]
    site_dir: str
    rate: int
    networks: Sequence[str] | None = None
    state: State = "live"
    gate: Gate | None = None

    def text(self) -> str:
        """The file for nginx 1.22, first line naming its owner."""
        page = PAGES.get({"maintenance": 503, "gone": 410}.get(self.state, 0), "")
        values = {
            "id": self.id,
            "owner": self.owner,
            "main": self.main,
            "names": self.names,
            "site_dir": self.site_dir,
            "rate": self.rate,
            "burst": self.rate * 2,
            "networks": self.networks,
            "state": self.state,
            "gate": self.gate,
        }
        named = [] if self.gate is None else [self.gate.console, *self.gate.groups]
        for value in [self.id, self.owner, self.main, self.site_dir, *self.names, *(self.networks or ()), *named]:
            _safe(value)
        if self.gate is not None:
            for code in self.gate.departments:
                _safe(code.replace("*", "all"))
            values |= {"refused": GATE_PAGES["groups" if self.gate.groups else "department"], "gate_pages": GATE_PAGES}
            values |= {"door": DOOR, "entrance": ENTRANCE, "cache_seconds": CACHE_SECONDS}
        return _template().render(page=page, **values)

    def gone_text(self) -> str:
        """The file that answers 410 on all names while they leave the caches."""
        return replace(self, state="gone").text()


def _safe(value: Any) -> None:
    if not isinstance(value, str) or not _SAFE.match(value):
        raise ValueError(f"{value!r} cannot stand in a configuration file")


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # nginx text, not HTML; every value has passed _safe
        trim_blocks=False,
        keep_trailing_newline=True,
    )
    return environment.get_template("vhost.conf.j2")
