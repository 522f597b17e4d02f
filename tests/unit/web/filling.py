"""Forms as a browser reads them off a page, and what somebody hostile sends with them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import quote_plus, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.world import BASE

#: In whatever is hostile markup, so that it is found where it came out as an element.
MARK = "zqhostile"
#: What stands in a field that has a place for free text, where nothing hostile does.
GOOD = {"date": "2026-11-30", "datetime-local": "2026-11-30T03:00", "number": "1", "url": "https://hooks.example.test/"}
HOSTILE: tuple[str | bytes, ...] = (
    *("", " ", "\x00", "\r\n", "a\nb\x1b[31m", "市" * 600, "x" * 10_000, "-1", "9" * 40, "1e309", "٣", "NaN"),
    *(f"<script id={MARK}>alert(1)</script>", f"\"'><img id={MARK} src=x onerror=alert(1)>"),
    *(f"--></title><b id={MARK}>", f"javascript:alert('{MARK}')", f'=HYPERLINK("http://{MARK}.test";"x")'),
    *(f"a\r\nX-{MARK}: 1\r\n\r\nb", "${7*7}{{7*7}}#{7*7}%(x)s{0}", "*)(uid=*", "' OR 1=1 --", "$(reboot)"),
    *("../../etc/passwd", "\u202e\ufeff\u2028", "[]", "null", "{a: [}", b"\xed\xa0\x80", b"\xff\xfe", b"%00%0d%0a"),
)
#: Not typed by anybody; without them no form is looked at.
OWN = frozenset({"token"})
VOID = frozenset({"input", "img", "br", "meta", "link", "hr", "path", "rect", "circle", "line", "use", "col"})


@dataclass(frozen=True)
class Given:
    """One control: `kind` as the page says; `choices` where it has some."""

    name: str
    kind: str
    value: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundForm:
    """A form with one of its buttons, as it is sent when that one is pressed."""

    action: str
    files: bool
    fields: tuple[Given, ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """The same for forms that differ in numbers and words only."""
        acts = tuple(f.value.partition(":")[0] for f in self.fields if f.kind == "submit" or f.name in ("act", "kind"))
        return tuple(sorted({re.sub(r"\d+", "9", f.name) for f in self.fields})), acts

    def filled(self) -> dict[str, list[str | bytes]]:
        """What somebody well-meaning sends; free text is in it everywhere."""
        found: dict[str, list[str | bytes]] = {}
        for one in self.fields:
            value = one.value
            if one.kind == "select" and not value:
                value = next((choice for choice in one.choices if choice), "")
            elif one.kind not in ("select", "hidden", "submit", "checkbox", "radio", "file") and not value:
                value = GOOD.get(one.kind, "something")
            found.setdefault(one.name, []).append(secrets.token_urlsafe(18) if one.name == "once" else value)
        return {name: values[:1] for name, values in found.items()}


@dataclass
class _Open:
    action: str
    method: str
    files: bool
    fields: list[Given] = field(default_factory=list)
    buttons: list[tuple[str | None, Given | None]] = field(default_factory=list)


class Reader(HTMLParser):
    """Reads what a page has: forms that are posted, ids, and marks of ours that became elements."""

    def __init__(self, address: str, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.address, self.ids, self.broken = urlsplit(address).path, set[str](), list[str]()
        self.alerts, self.unseen = list[str](), set[str]()
        self._forms: list[_Open] = []
        self._by_id: dict[str, _Open] = {}
        self._loose: list[tuple[str, Given]] = []
        self._select: tuple[Mapping[str, str | None], list[str], list[str]] | None = None
        self._area: tuple[Mapping[str, str | None], list[str]] | None = None
        self._open, self._alert, self._depth = False, 0, 0
        self.feed(text)
        self.close()

    @property
    def named(self) -> set[str]:
        """What a link to what is wrong may lead to; nobody can put right what is not seen."""
        return self.ids | self.unseen

    def handle_starttag(self, tag: str, found: list[tuple[str, str | None]]) -> None:
        given = dict(found)
        if given.get("id"):
            self.ids.add(given["id"] or "")
        handlers = [name for name in given if name.startswith("on")]
        href = (given.get("href") or given.get("action") or "").strip().lower()
        if MARK in (given.get("id") or "") and tag in ("script", "img", "b"):
            self.broken.append(f"<{tag}> of what was sent")
        if handlers or href.startswith("javascript:"):
            self.broken.append(f"{tag} with {handlers or href}")
        if self._alert and tag not in VOID:
            self._alert += 1
        if given.get("role") == "alert" and not self._alert:
            self._alert = 1
        if self._alert and tag == "a" and (given.get("href") or "").startswith("#"):
            self.alerts.append((given["href"] or "")[1:])
        if tag == "form":
            files = given.get("enctype") == "multipart/form-data"
            made = _Open(given.get("action") or self.address, (given.get("method") or "get").lower(), files)
            self._forms.append(made)
            self._open = True
            if given.get("id"):
                self._by_id[given["id"] or ""] = made
        elif given.get("type") == "hidden":
            self.unseen.add(given.get("name") or "")
            self._put(given, Given(given.get("name") or "", "hidden", given.get("value") or ""))
        elif "disabled" in given:
            return
        elif tag == "input" and given.get("name"):
            kind = given.get("type") or "text"
            self._put(given, Given(given["name"] or "", kind, given.get("value") or ""))
        elif tag == "button" and (given.get("type") or "submit") == "submit":
            pressed = Given(given["name"] or "", "submit", given.get("value") or "") if given.get("name") else None
            whole = self._forms[-1] if self._open else self._by_id.get(given.get("form") or "")
            if whole is not None:
                whole.buttons.append((given.get("formaction"), pressed))
        elif tag == "select":
            self._select = given, [], []
        elif tag == "option" and self._select is not None:
            self._select[1].append(given.get("value") or "")
            if "selected" in given:
                self._select[2].append(given.get("value") or "")
        elif tag == "textarea":
            self._area = given, []

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._alert and tag not in VOID:
            self._alert -= 1
        if tag == "form":
            self._open = False
        elif tag == "select" and self._select is not None:
            given, choices, chosen = self._select
            self._select = None
            if given.get("name"):
                value = (chosen or choices or [""])[0]
                self._put(given, Given(given["name"] or "", "select", value, tuple(choices)))
        elif tag == "textarea" and self._area is not None:
            given, text = self._area
            self._area = None
            if given.get("name"):
                self._put(given, Given(given["name"] or "", "textarea", "".join(text)))

    def _put(self, given: Mapping[str, str | None], one: Given) -> None:
        if given.get("form"):
            self._loose.append((given["form"] or "", one))
        elif self._open:
            self._forms[-1].fields.append(one)

    def forms(self) -> Iterator[FoundForm]:
        """Those that are posted, once a button."""
        for name, one in self._loose:
            self._by_id[name].fields.append(one)
        self._loose = []
        for made in self._forms:
            if made.method != "post":
                continue
            for action, pressed in made.buttons or [(None, None)]:
                fields = (*made.fields, *([pressed] if pressed else []))
                yield FoundForm(action or made.action, made.files, fields)


def sent(browser: FlaskClient, form: FoundForm, data: Mapping[str, Sequence[str | bytes]]) -> TestResponse:
    """Post it octet by octet as it is given: no library puts right what is wrong."""
    octets = [
        (name, value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
        for name, values in data.items()
        for value in values
    ]
    if not form.files:
        body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in octets).encode()
        return browser.post(form.action, base_url=BASE, data=body, content_type="application/x-www-form-urlencoded")
    kinds = {one.name: one.kind for one in form.fields}
    line = b""
    for name, value in octets:
        head = f'--{MARK}\r\nContent-Disposition: form-data; name="{name}"'
        if kinds.get(name) == "file":
            head += '; filename="../' + quote_plus(value[:30]) + '.csv"'
        line += head.encode() + b"\r\n\r\n" + value + b"\r\n"
    line += f"--{MARK}--\r\n".encode()
    return browser.post(form.action, base_url=BASE, data=line, content_type=f"multipart/form-data; boundary={MARK}")
