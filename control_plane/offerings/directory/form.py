"""The form of a department's unit in the directory. Blanks around values are trimmed; values are one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from control_plane.model.form_faults import written
from control_plane.model.names import UID
from control_plane.model.tenant import Document, GroupName, Line
from control_plane.model.text import t

_UID = t("Write 3 to 32 small letters of a to z, digits, dots, hyphens and underscores, beginning with a letter.")
_SERVICE = t(
    "Write 2 to 16 small letters of a to z, digits and hyphens, beginning with a letter, without a hyphen at the end."
)
_MAIL = t("Write a whole address of Latin letters and digits, such as name@city.test.")
_PHONE = t("Write 3 to 40 digits, letters, blanks and + ( ) . / -, beginning with a digit, + or (.")
_STAFF = t("Write at most 40 letters of A to Z, digits and . _ / -, without blanks.")
Uid = Annotated[str, written(UID.pattern, _UID, strip=True)]
ServiceName = Annotated[str, written(r"^[a-z][a-z0-9-]{0,14}[a-z0-9]$", _SERVICE, strip=True)]
#: RFC 5321 mailbox, ASCII only (the attribute's syntax is IA5String).
Mail = Annotated[
    str,
    written(
        r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,187}[A-Za-z0-9])?$",
        _MAIL,
        strip=True,
        longest=254,
    ),
]
#: Characters of the telephone number syntax (PrintableString) that numbers use.
Phone = Annotated[str, written(r"^[0-9+(][0-9A-Za-z+()./ -]{2,39}$", _PHONE, strip=True)]
EmployeeNumber = Annotated[str, written(r"^[0-9A-Za-z._/-]{1,40}$", _STAFF, strip=True)]


class Title(Document):
    """What a group or service is called."""

    zh: Line
    en: Line


class Person(Document):
    """One account. `groups` are names of the unit's groups; `pinyin` becomes a second common name.

    `first_uid` is the uid under which a renamed person was first known: numbers, home and history stay. `left_on`: the
    day on which the person left; the account is locked and in no group from then on, until it is removed.
    """

    uid: Uid
    family_name: Line
    given_name: Line | None = None
    display_name: Line
    pinyin: Line | None = None
    employee_number: EmployeeNumber | None = None
    mail: Mail | None = None
    title: Line | None = None
    phone: Phone | None = None
    groups: tuple[GroupName, ...] = ()
    first_uid: Uid | None = None
    left_on: date | None = None

    @property
    def subject(self) -> str:
        """Under what the person's numbers and opaque key are recorded; survives a rename."""
        return f"uid:{self.first_uid or self.uid}"


class Group(Document):
    """A group of the unit; who belongs to it is said by its people. `first_name` is the name under which a renamed
    group was first known: its number stays."""

    name: GroupName
    title: Title
    first_name: GroupName | None = None

    @property
    def subject(self) -> str:
        """Under what the group's number is recorded within its unit; survives a rename."""
        return self.first_name or self.name


class Service(Document):
    """An account of a machine or program; in the directory its uid is `<code>-<name>`."""

    name: ServiceName
    title: Title


class DirectorySpec(Document):
    """A unit. All lists may be empty."""

    people: tuple[Person, ...] = Field((), max_length=20000)
    groups: tuple[Group, ...] = Field((), max_length=1000)
    services: tuple[Service, ...] = Field((), max_length=1000)


EXAMPLE: Mapping[str, Any] = {
    "people": [
        {
            "uid": "zhangsan",
            "family_name": "张",
            "given_name": "三",
            "display_name": "张三",
            "pinyin": "Zhang San",
            "employee_number": "000001",
            "mail": "zhangsan@example.test",
            "title": "科员",
            "phone": "0532-5550-0001",
            "groups": ["all"],
        }
    ],
    "groups": [
        {"name": "all", "title": {"zh": "全体人员", "en": "Everybody"}},
        {"name": "approvers", "title": {"zh": "审批人", "en": "Approvers"}},
    ],
    "services": [{"name": "scanner", "title": {"zh": "扫描仪", "en": "Scanner"}}],
}
