"""Events of a run in sentences, the same on the command line and on pages. Pure: must not know how either looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from control_plane.model.scope import part_words, scope_words
from control_plane.model.text import Text, t, tn

#: Boundaries inside a driver's work, in words.
STAGES: Mapping[str, Text] = {
    "directory.bound": t("signed in to the directory"),
    "directory.units.written": t("the units are written"),
    "directory.leavers.removed": t("whoever left is removed"),
    "directory.people.written": t("the people are written"),
    "directory.groups.written": t("the groups are written"),
    "directory.units.removed": t("units that go are removed"),
    "records.read": t("the records are read"),
    "message.ready": t("a message is ready"),
    "message.answered": t("a message is answered"),
    "archive.sent": t("the content is sent"),
    "check.passed": t("the check passed"),
    "rules.loaded": t("the rules are loaded"),
    "files.replaced": t("the files are replaced"),
    "reload.done": t("the services have read them"),
}


def telling(
    kind: str,
    data: Mapping[str, Any],
    mark: Callable[[str], str],
    titles: Mapping[str, Text] = MappingProxyType({}),
) -> Text | None:
    """One event in one sentence; None for those that say nothing to a person who follows a run. `mark` gives the word
    for the state of a failed change; `titles`: what offerings are called."""
    match kind:
        case "run.created":
            return t("begun for {scope}", scope=scope_words(str(data.get("scope", "estate")), titles))
        case "plan.observed":
            summary = data.get("summary", {})
            counts = {name: summary.get(name, 0) for name in ("delete", "update", "create")}
            return t("looked: {delete} to delete, {update} to update, {create} to create", **counts)
        case "part.started":
            return tn("{part}: {count} change", "{part}: {count} changes", part=_part(data), count=data.get("changes"))
        case "part.notice":
            stage = STAGES.get(str(data.get("stage")))
            return t("{part}: {stage}", part=_part(data), stage=stage) if stage is not None else None
        case "part.progress":
            return tn(
                "{done} of {total} change",
                "{done} of {total} changes",
                done=data.get("done"),
                count=data.get("total"),
                total=data.get("total"),
            )
        case "part.done":
            return t("{part}: {done} of {total} done", part=_part(data), done=data.get("done"), total=data.get("total"))
        case "change.failed":
            return failure(data, mark)
        case "change.held":
            return tn(
                "{count} change held back: {why}",
                "{count} changes held back: {why}",
                count=data.get("count"),
                why=_stored(data.get("why")),
            )
        case "verify.started":
            return t("verifying")
        case "verify.done":
            return (
                t("verified: planning again finds nothing") if data.get("empty") else t("verified: something is left")
            )
        case "run.stopped":
            return t("stopped on request")
        case _:
            return None


def failure(data: Mapping[str, Any], mark: Callable[[str], str]) -> Text:
    """What became of a change that did not succeed, and where; `data` as in the event `change.failed`."""
    return t(
        "{mark} {id} of {tenant}: {text} ({place})",
        mark=mark(str(data.get("state") or "failed")),
        id=data.get("id"),
        tenant=data.get("tenant"),
        text=_stored(data.get("text")),
        place=f"{data['file']}:{data['line']}" if data.get("line") else data.get("file") or "–",
    )


def _part(data: Mapping[str, Any]) -> Text | str:
    return part_words(str(data.get("part") or "–"))


def _stored(value: Any) -> Text | str:
    """A sentence as events keep it: its msgid and parameters, or plain text."""
    return Text.from_json(value) if isinstance(value, Mapping) else str(value or "–")
