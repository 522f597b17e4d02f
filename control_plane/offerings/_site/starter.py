"""The starter site: what a department shows before it has published anything of its own.

At plan time only its id is computed (a hash of the templates and the inputs); pages are rendered when they are sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates" / "starter"
#: Colours with white text on them at a contrast of 4.5 or more, and a lighter one for links on a dark ground.
COLOURS = (
    ("#12558c", "#7fb8ea"),
    ("#8a1f2b", "#f0969f"),
    ("#1c5f4a", "#79c9ab"),
    ("#4a3f8f", "#b3a9f0"),
    ("#7a4a12", "#e0ad6c"),
    ("#2f5563", "#8fc0d1"),
)
#: So many notices of a column stand on the home page.
NEWEST = 5
_PUBLIC = (
    ("", "首页", "Home", "", ""),
    ("news/", "新闻动态", "News", "工作动态与重要新闻。", "What has happened, and what matters."),
    ("notices/", "通知公告", "Notices", "面向公众的通知和公告。", "Notices and announcements to the public."),
    ("policies/", "政策文件", "Policies", "规范性文件及其解读。", "Rules in force, and what they mean."),
    ("services/", "办事服务", "Services", "办事指南与常用表格。", "Guides and forms for getting things done."),
)
_INTERNAL = (
    ("", "首页", "Home", "", ""),
    (
        "notices/",
        "内部通知",
        "Notices",
        "面向本单位和共享单位的通知。",
        "Notices to this unit and those it shares with.",
    ),
    ("documents/", "文件资料", "Documents", "常用文件、制度和模板。", "Documents, rules and templates in daily use."),
    ("contacts/", "通讯录", "Contacts", "科室与值班电话。", "Sections and duty telephones."),
)
_NUMBERS = (
    ("党政机关网站标识", "Government site mark", "mark_id"),
    ("ICP备案号", "ICP filing", "icp"),
    ("公安备案号", "Police filing", "police"),
    ("网站标识码", "Site code", "site_code"),
)


@cache
def _templates_hash() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(TEMPLATES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _environment() -> Environment:
    """Compiled once a process: a hundred sites are rendered in one apply."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True, auto_reload=False
    )


def release_id(inputs: Mapping[str, Any]) -> str:
    """Id of the release that `render(inputs)` makes: 32 hex digits."""
    content = orjson.dumps([_templates_hash(), inputs], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:32]


def columns(public: bool) -> dict[str, tuple[str, str]]:
    """Where notices can stand: path → names in Chinese and English."""
    rows = _PUBLIC if public else _INTERNAL
    return {path: (zh, en) for path, zh, en, *_ in rows if path}


def render(inputs: Mapping[str, Any], posts: Sequence[Mapping[str, Any]] = ()) -> dict[str, bytes]:
    """All pages of the starter site, path → content. `inputs` is what `starter_inputs` makes; `posts`, in the order in
    which they are listed: {page, column, title, day, paragraphs, file: {path, name, title, size} | None}."""
    public = inputs["kind"] == "public_site"
    keys = ("path", "zh", "en", "text_zh", "text_en")
    sections = [dict(zip(keys, row, strict=True)) for row in (_PUBLIC if public else _INTERNAL)]
    colour, colour_dark = COLOURS[int(hashlib.sha256(inputs["main"].encode()).hexdigest(), 16) % len(COLOURS)]
    numbers = [(zh, en, inputs["marks"][key]) for zh, en, key in _NUMBERS if key in inputs["marks"]]
    common = {
        "public": public,
        "sections": sections,
        "colour": colour,
        "colour_dark": colour_dark,
        "numbers": numbers,
        "main": inputs["main"],
        "marks": {"site_code": None} | inputs["marks"],
    }
    environment = _environment()
    files: dict[str, bytes] = {}

    def page(template: str, path: str, section: str, lang: str, /, **more: Any) -> None:
        words = {name: inputs[f"{name}_{lang}"] for name in ("title", "tenant", "portal")}
        prefix = "" if lang == "zh" else "en/"
        where = {"path": prefix + section, "path_zh": section, "path_en": "en/" + section, "section": section}
        text = environment.get_template(template).render(common | words | where | {"lang": lang, **more})
        files[prefix + path] = text.encode()

    listed = {item["path"]: [post for post in posts if post["column"] == item["path"]] for item in sections}
    for lang in ("zh", "en"):
        for item in sections:
            template = "section.html.j2" if item["path"] else "home.html.j2"
            page(template, f"{item['path']}index.html", item["path"], lang, here=item, listed=listed, newest=NEWEST)
            for post in listed[item["path"]]:
                where = {"path_zh": post["page"], "path_en": f"en/{post['page']}"}
                where["path"] = where[f"path_{lang}"]
                page("post.html.j2", post["page"], item["path"], lang, here=item, post=post, **where)
    page("missing.html.j2", "404.html", "", "zh")
    for asset in ("icon.svg", "site.css"):
        files[f"assets/{asset}"] = environment.get_template(f"{asset}.j2").render(common).encode()
    rule = "Allow: /" if public else "Disallow: /"
    files["robots.txt"] = f"User-agent: *\n{rule}\n".encode()
    return dict(sorted(files.items()))
