"""The form of internet access. Everything has a default: an empty form is access on, with the centre's rules.

Values are kept as they were typed; `entries.parse` turns them into what services store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.form_faults import written
from control_plane.model.names import TENANT_CODE
from control_plane.model.tenant import Document, Line
from control_plane.model.text import t
from control_plane.offerings.internet.entries import parse, shown

MOST_RULES, MOST_DIRECT, MOST_PEERS = 100, 50, 50
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?\Z", re.ASCII)
_DAYS = "MTWHFAS"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _entry(value: str) -> str:
    parse(value)
    return value


def _address(value: str) -> str:
    entry = parse(value)
    if entry.names:
        raise ProblemError(
            Problem(
                "not-an-address",
                t("“{entry}” is no address.", entry=shown(value)),
                t("Write an address, prefix or range of your own network, or leave the field out for all of it."),
            )
        )
    return value


def _target(value: str) -> str:
    if any(name.startswith(".") for name in parse(value).names):
        raise ProblemError(
            Problem(
                "domain-as-target",
                t("“{entry}” names a whole domain; direct access is to single hosts.", entry=shown(value)),
                t("Name every host, or use a rule of the proxy."),
            )
        )
    return value


def _ports(value: str) -> str:
    match = _PORTS.match(value.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last < 2**16:
        raise ProblemError(
            Problem(
                "bad-ports",
                t("“{value}” is no port and no range of ports.", value=shown(value)),
                t("Write it like 443 or 5000-5010, from 1 to 65535."),
            )
        )
    return value


def _days(value: str) -> str:
    if not value or set(value) - set(_DAYS) or len(set(value)) != len(value):
        raise ProblemError(
            Problem(
                "bad-days",
                t("“{value}” is no set of days.", value=shown(value)),
                t("Use letters of {days}: Monday, Tuesday, Wednesday, Thursday (H), Friday, Saturday (A), Sunday.",
                  days=_DAYS),
            )
        )  # fmt: skip
    return value


def _code(value: str) -> str:
    if not TENANT_CODE.match(value):
        raise ProblemError(
            Problem("bad-code", t("“{value}” is no code of a tenant.", value=shown(value)), t("See gasp tenants list."))
        )
    return value


Entry = Annotated[str, AfterValidator(_entry)]
Source = Annotated[str, AfterValidator(_address)]
Target = Annotated[str, AfterValidator(_target)]
Ports = Annotated[str, AfterValidator(_ports)]
Days = Annotated[str, AfterValidator(_days)]
Code = Annotated[str, AfterValidator(_code)]
Time = Annotated[str, written(_TIME, t("Write hours and minutes, such as 08:30."))]


class Reason(Document):
    """Why a rule is there, as it is shown to whom it stops."""

    zh: Line
    en: Line


class Hours(Document):
    """When a rule applies, in the centre's time. `days` of MTWHFAS: Monday to Sunday, H Thursday, A Saturday."""

    days: Days = _DAYS
    begin: Time
    end: Time

    @model_validator(mode="after")
    def _in_order(self) -> Hours:
        if self.begin >= self.end:
            raise ProblemError(
                Problem(
                    "bad-hours",
                    t("The hours end at {end}, not after {begin}.", begin=self.begin, end=self.end),
                    t("For a span over midnight write two rules."),
                )
            )
        return self


class Subject(Document):
    """What a rule is about: exactly one of `hosts` and `category`, in certain hours or always."""

    hosts: tuple[Entry, ...] = Field((), max_length=1000)
    category: Literal["malware", "gambling", "adult", "video"] | None = None
    hours: Hours | None = None
    since: date
    reason: Reason

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if bool(self.hosts) == (self.category is not None):
            raise ProblemError(
                Problem(
                    "rule-subject",
                    t("The rule names neither hosts nor a category.")
                    if self.category is None
                    else t("The rule names both hosts and a category."),
                    t("Give it exactly one of the fields hosts and category."),
                )
            )
        return self


class Rule(Subject):
    """One rule of the department. Rules are tried by `number`, lowest first; the first that matches decides."""

    number: Annotated[int, Field(ge=1, le=9999)]
    action: Literal["allow", "block"]


class DirectAccess(Document):
    """Access past the proxy, for programs that cannot use one. `source` empty: the whole network."""

    source: Source | None = None
    to: tuple[Target, ...] = Field(min_length=1, max_length=100)
    protocol: Literal["tcp", "udp"] = "tcp"
    ports: Ports
    reason: Line | None = None


class Limits(Document):
    """Less than the tier gives, where a department wants it."""

    up_kbit: Annotated[int, Field(ge=64)] | None = None
    down_kbit: Annotated[int, Field(ge=64)] | None = None
    month_mib: Annotated[int, Field(ge=1)] | None = None


class ExceptionContact(Document):
    """Whom people of the department ask when something they need is closed."""

    name: Line
    phone: Line | None = None
    email: Line | None = None


class InternetAccess(Document):
    """A department's way out to the internet."""

    enabled: bool = True
    otherwise: Literal["allow", "block"] = "allow"
    rules: tuple[Rule, ...] = Field((), max_length=MOST_RULES)
    direct: tuple[DirectAccess, ...] = Field((), max_length=MOST_DIRECT)
    peers: tuple[Code, ...] = Field((), max_length=MOST_PEERS)
    limits: Limits = Limits()
    contact: ExceptionContact | None = None


EXAMPLE: Mapping[str, Any] = {
    "enabled": True,
    "otherwise": "allow",
    "rules": [
        {
            "number": 10,
            "action": "allow",
            "category": "video",
            "hours": {"days": "MTWHF", "begin": "12:00", "end": "13:30"},
            "since": "2026-11-20",
            "reason": {"zh": "午休时间开放视频", "en": "Video is open over lunch"},
        },
        {
            "number": 20,
            "action": "block",
            "hosts": ["games.example.test", "游戏.example.test", "203.0.113.77"],
            "since": "2026-11-20",
            "reason": {"zh": "与工作无关", "en": "Not needed for work"},
        },
    ],
    "direct": [
        {"to": ["time.example.test"], "protocol": "udp", "ports": "123", "reason": "时钟同步 clocks"},
    ],
    "contact": {"name": "示例局信息科", "phone": "0532-5550-0001", "email": "it@example.test"},
}
