"""Notices: what people are told by mail, and to whom. The texts are data (`notices.yml`), in both languages.

Pure: an event becomes a notice in its own transaction, and a mail later, by the worker. Must not know any address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Protocol

import yaml

from control_plane.model.audit import AuditAct, AuditEntry
from control_plane.model.people import ROLES
from control_plane.model.states import state_word
from control_plane.model.text import LANGUAGES, Text
from control_plane.model.windows import day_words

#: Two lines at most, whatever was typed.
LONGEST = 600


class NoticeKind(StrEnum):
    """What is told. Each has a subject and a text in both languages."""

    SUBMITTED = "submitted"
    TO_SIGN = "to_sign"
    SIGNED = "signed"
    RETURNED = "returned"
    APPROVED = "approved"
    LIVE = "live"
    FAILED = "failed"
    REFUSED = "refused"
    DUE_SOON = "due_soon"
    EMERGENCY = "emergency"
    EMERGENCY_ENDED = "emergency_ended"
    CLASSES_PROPOSED = "classes_proposed"
    CLASSES_CHANGED = "classes_changed"
    SUBSTITUTE = "substitute"
    SUBSTITUTE_ENDED = "substitute_ended"
    RUN_FAILED = "run_failed"
    ROLLOUT_HALTED = "rollout_halted"
    SIGNATURES_STUCK = "signatures_stuck"
    CONTENT_INFECTED = "content_infected"
    VOLUME_WARNED = "volume_warned"
    VOLUME_THROTTLED = "volume_throttled"
    REVIEW = "review"
    REVIEW_LATE = "review_late"


#: What is told to those who decide on a request.
TO_DECIDE = frozenset({NoticeKind.TO_SIGN, NoticeKind.SIGNED, NoticeKind.EMERGENCY, NoticeKind.EMERGENCY_ENDED})
#: What a department's contacts are told whoever else is.
FOR_CONTACTS = frozenset({NoticeKind.VOLUME_WARNED, NoticeKind.VOLUME_THROTTLED})


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told. `key` names the event: a notice with a known key is not kept again. `people`: opaque keys;
    `roles`: everybody who holds one of them in `tenant` or in the estate, but those in `without`. `tenant` is an opaque
    id: its contacts are told when nobody of `people` has an address, and always of `FOR_CONTACTS`. `params`: words of
    the text; `person/WORD` is somebody's key, said as their name; a `Text` is said in the reader's language."""

    key: str
    kind: NoticeKind
    people: Sequence[str] = ()
    roles: Sequence[str] = ()
    without: Sequence[str] = ()
    tenant: str | None = None
    params: Mapping[str, str | Text] = field(default_factory=dict)


#: What happened to a request → what its asker is told.
_TO_ASKER = {
    AuditAct.REQUEST_SUBMITTED: NoticeKind.SUBMITTED,
    AuditAct.REQUEST_RETURNED: NoticeKind.RETURNED,
    AuditAct.REQUEST_APPROVED: NoticeKind.APPROVED,
    AuditAct.REQUEST_LIVE: NoticeKind.LIVE,
    AuditAct.REQUEST_FAILED: NoticeKind.FAILED,
    AuditAct.REQUEST_REFUSED: NoticeKind.REFUSED,
}
#: What is made real ahead of its signatures, and what became of it, is told to everybody who signs.
_EMERGENCIES = {
    AuditAct.REQUEST_EMERGENCY: NoticeKind.EMERGENCY,
    AuditAct.REQUEST_WENT_BACK: NoticeKind.EMERGENCY_ENDED,
}
_SIGNING = ("operator", "security_officer", "deputy_director", "approver")
_SUBSTITUTES = {
    AuditAct.SUBSTITUTE_NAMED: NoticeKind.SUBSTITUTE,
    AuditAct.SUBSTITUTE_ENDED: NoticeKind.SUBSTITUTE_ENDED,
}
#: After these others have to sign.
_TO_SIGN = (
    AuditAct.REQUEST_SUBMITTED,
    AuditAct.REQUEST_ANSWERED,
    AuditAct.REQUEST_VOIDED,
    AuditAct.REQUEST_RECLASSIFIED,
)
_HALTED = (AuditAct.ROLLOUT_WAITING, AuditAct.ROLLOUT_STOPPED)
#: Runs that end so are told to operators; those of a request are told with the request.
_BAD = frozenset({"failed", "partly", "interrupted", "could_not_measure"})


def told_by(entry: AuditEntry) -> list[Notice]:
    """What is told because of something that was recorded; most of it is told to nobody."""
    act, detail = AuditAct(entry.act), entry.detail
    key = f"audit/{entry.number}"
    if act.value.startswith("request."):
        tenant = next((s.value for s in entry.subjects if s.kind == "tenant"), None)
        why = detail.get("why")
        params: dict[str, str | Text] = {"request": entry.requests[0]}
        params["why"] = Text.from_json(why) if why else entry.reason
        asker, found = str(detail["asker"]), list[Notice]()
        if act in _TO_ASKER:
            roles = ("operator",) if act is AuditAct.REQUEST_FAILED else ()
            found.append(Notice(f"{key}/asker", _TO_ASKER[act], [asker], roles, (), tenant, params))
        if act in _TO_SIGN and detail["missing"]:
            without = [asker, *(s.key for s in entry.signoffs)]
            found.append(Notice(f"{key}/sign", NoticeKind.TO_SIGN, (), detail["missing"], without, tenant, params))
        if act in _EMERGENCIES:
            found.append(Notice(f"{key}/all", _EMERGENCIES[act], [asker], _SIGNING, [entry.actor], tenant, params))
        return found
    if act in (AuditAct.CLASSES_PROPOSED, AuditAct.CLASSES_SIGNED):
        proposed = act is AuditAct.CLASSES_PROPOSED
        kind = NoticeKind.CLASSES_PROPOSED if proposed else NoticeKind.CLASSES_CHANGED
        roles = ("security_officer", "deputy_director", *(() if proposed else ("operator",)))
        about: dict[str, str | Text] = {"subject": str(detail["number"]), "why": entry.reason}
        return [Notice(key, kind, (), roles, [entry.actor], None, {**about, "person/who": entry.actor})]
    if act in _SUBSTITUTES:
        tenant = next((s.value for s in entry.subjects if s.kind == "tenant"), None)
        both = [str(detail["substitute"]), str(detail["stands_for"])]
        days = {word: day_words(str(detail[word])) for word in ("since", "until")}
        standing: dict[str, str | Text] = {**days, "why": entry.reason, "role": ROLES[str(detail["role"])].title}
        people: dict[str, str | Text] = {"person/who": both[0], "person/for": both[1]}
        return [Notice(key, _SUBSTITUTES[act], both, (), (), tenant, {**standing, **people})]
    word = state_word(entry.outcome)
    if act is AuditAct.RUN_ENDED and entry.outcome in _BAD and detail.get("kind") != "request":
        run = next(s.value for s in entry.subjects if s.kind == "run")
        said: dict[str, str | Text] = {"subject": run, "state": word, "why": str(detail.get("scope", ""))}
        return [Notice(key, NoticeKind.RUN_FAILED, roles=["operator"], params=said)]
    if act in _HALTED:
        rollout = next(s.value for s in entry.subjects if s.kind == "rollout")
        state = state_word(act.value.partition(".")[2])
        because = Text.from_json(detail["text"]) if detail.get("text") else ""
        halted: dict[str, str | Text] = {"subject": rollout, "state": state, "why": because}
        return [Notice(key, NoticeKind.ROLLOUT_HALTED, roles=["operator"], params=halted)]
    if act is AuditAct.RELEASE_CHECKED and entry.outcome == "infected":
        named = {s.kind: s.value for s in entry.subjects}
        malware: dict[str, str | Text] = {"subject": named["site"], "release": named["release"][:8]}
        malware |= {"place": str(detail["place"] or "–"), "what": str(detail["found"])}
        all_of = ("clerk", "approver", "operator")
        return [Notice(key, NoticeKind.CONTENT_INFECTED, (), all_of, (), named["tenant"], malware)]
    if act is AuditAct.SIGNATURES_STUCK:
        stuck: dict[str, str | Text] = {"why": Text.from_json(detail["text"])}
        return [Notice(key, NoticeKind.SIGNATURES_STUCK, roles=["operator"], params=stuck)]
    return []


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody is reached; `language` is `zh_CN` or `en`."""

    mail: str
    name: str
    language: str


class Post(Protocol):
    """The mail host."""

    def send(self, message: Any) -> None:
        """Hand over one `email.message.EmailMessage`. Raises TemporaryError (try again) and Rejected (never)."""
        ...

    def accepted(self, message_id: str) -> bool:
        """Whether it has taken responsibility for a message with this id. Raises CouldNotMeasureError."""
        ...


@cache
def _texts() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        resources.files("control_plane.model").joinpath("notices.yml").read_text("utf-8")
    )
    return found


def frame(language: str) -> Mapping[str, str]:
    """What stands around the notices of a mail: `one`, `many` (subjects), `greeting`, `where`, `footer`."""
    found: Mapping[str, str] = _texts()["frame"][language]
    return found


def say(kind: NoticeKind, params: Mapping[str, str | Text], language: str) -> tuple[str, str]:
    """Subject and text in one language; each is a single line, whatever was typed."""
    assert language in LANGUAGES
    words = {k: one_line(v.render(language) if isinstance(v, Text) else v) for k, v in params.items()}
    told = _texts()["kinds"][kind.value][language]
    return told["subject"].format_map(_Known(words)), told["text"].format_map(_Known(words))


class _Known(dict[str, str]):
    """Words that a text may use; one that is not given is a dash."""

    def __missing__(self, key: str) -> str:
        return "–"


def one_line(text: str) -> str:
    """Without line breaks and whatever else steers a terminal or a mail's head; at most `LONGEST` characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"
