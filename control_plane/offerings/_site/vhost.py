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
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

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


@dataclass(frozen=True)
class Vhost:
    """What a vhost's text is made of. `networks` None: everybody; else only these prefixes."""

    id: str
    owner: str
    main: str
    names: Sequence[str]
    site_dir: str
    rate: int
    networks: Sequence[str] | None = None
    state: State = "live"

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
        }
        for value in [self.id, self.owner, self.main, self.site_dir, *self.names, *(self.networks or ())]:
            _safe(value)
        return _template().render(page=page, **values)

    def gone_text(self) -> str:
        """The file that answers 410 on all names while they leave the caches."""
        return replace(self, state="gone").text()


def _safe(value: Any) -> None:
    if not isinstance(value, str) or not _SAFE.match(value):
        raise ValueError(f"{value!r} cannot stand in a configuration file")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # nginx text, not HTML; every value has passed _safe
        trim_blocks=False,
        keep_trailing_newline=True,
    )
    return environment.get_template("vhost.conf.j2")
