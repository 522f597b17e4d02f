"""A plan as a code review: destructive first, signs always printed, what is folded is counted.

Pure: from the JSON of a plan to lines. Signs: `-` delete, `!` conflict, `~` update, `+` create.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from control_plane.cli.listing import plain
from control_plane.cli.table import layout
from control_plane.cli.terminal import MARKS, clean, moment, sentence
from control_plane.model.internet_words import label_words
from control_plane.model.scope import part_words, scope_words
from control_plane.model.text import t, tn

SIGNS = {"delete": "-", "conflict": "!", "update": "~", "create": "+"}
STYLES = {"delete": "red", "conflict": "yellow", "update": "yellow", "create": "green"}
WORDS = {"delete": t("delete"), "conflict": t("conflict"), "update": t("update"), "create": t("create")}
#: Up to this many changes a plan prints every line.
FULL = 60
#: Of a larger one, this many of each action.
FIRST = 10
FEW = 12
SUMMARY_CELLS = 90

Paint = Callable[[str, str], str]


def _no_paint(text: str, style: str) -> str:
    return text


class PlanView:
    """One plan on its way to the screen."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        *,
        every_line: bool = False,
        wide: bool = False,
        paint: Paint = _no_paint,
        closing: bool = True,
    ) -> None:
        """`closing`: end with the command that carries the plan out."""
        self.closing = closing
        self.plan, self.wide, self.paint = plan, wide, paint
        self.changes: Sequence[Mapping[str, Any]] = plan["changes"]
        self.full = every_line or len(self.changes) <= FULL
        self.every_line = every_line

    def text(self) -> str:
        """The whole view."""
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Head, changes, what was not touched, who is hit, what is needed, what to do next."""
        plan = self.plan
        head = t(
            "Plan {digest}  observed {at}  scope {scope}",
            digest=plan["digest"][:8],
            at=moment(plan["observed_at"]),
            scope=scope_words(plan["scope"]),
        )
        yield self.paint(sentence(head), "bold")
        yield self._counts()
        for action in SIGNS:
            yield from self._section(action)
        yield from self._tenants()
        yield from self._untouched()
        yield from self._hit()
        yield from self._needs()
        if self.closing:
            yield from self._next()

    def _counts(self) -> str:
        summary = self.plan["summary"]
        words = [
            (summary["delete"], t("{count} to delete", count=summary["delete"])),
            (summary.get("conflict", 0), t("{count} in conflict", count=summary.get("conflict", 0))),
            (summary["update"], t("{count} to update", count=summary["update"])),
            (summary["create"], t("{count} to create", count=summary["create"])),
            (summary["unmeasured"], t("{count} could not be measured", count=summary["unmeasured"])),
        ]
        said = [str(text) for count, text in words if count]
        unchanged = t("{count} unchanged (not shown)", count=f"{summary['unchanged']:,}")
        if not said and not self.plan["unmeasured"] and not self.plan.get("broken"):
            return str(t("Nothing to change: what is real is what is desired. {unchanged}.", unchanged=unchanged))
        return " · ".join([*said, str(unchanged)])

    # changes ---------------------------------------------------------------------------------------

    def _section(self, action: str) -> Iterator[str]:
        changes = [c for c in self.changes if c["action"] == action]
        if not changes:
            return
        shown = changes if self.full else changes[:FIRST]
        if not self.full:
            kinds = Counter(str(c["kind"]) for c in changes)
            yield f"{SIGNS[action]} {WORDS[action]} {len(changes):,}: " + ", ".join(
                f"{count:,} {clean(kind)}" for kind, count in kinds.most_common()
            )
        width = max(cell_len(_label(c)) for c in shown)
        for change in shown:
            yield from self._change(change, min(width, 60))
        if len(shown) < len(changes):
            yield "    " + sentence(t("… and {count} more (--all)", count=f"{len(changes) - len(shown):,}"))

    def _change(self, change: Mapping[str, Any], width: int) -> Iterator[str]:
        action = change["action"]
        label = _label(change)
        words = [
            f"  {SIGNS[action]} {WORDS[action]}",
            clean(str(part_words(change["part"]))),
            label + " " * max(0, width - cell_len(label)),
            clean(f"{change['tenant']}/{change['offering']}"),
        ]
        if change["reason"] in ("drift", "renew", "orphaned"):
            words.append(f"[{MARKS[change['reason']].word}]")
        elif change.get("hand_made"):
            words.append(f"[{MARKS['drift'].word}]")
        if change["destroys_data"]:
            words.append(str(t("! destroys data")))
        if change.get("in_the_way"):
            words.append(sentence(t("in the way: {what}", what=change["in_the_way"])))
        if not self.wide and action in ("update", "create"):
            words.append(_short(change))
        yield self.paint("  ".join(words).rstrip(), STYLES[action])
        if self.wide:
            yield from difference(change.get("before"), change.get("after"))

    def _tenants(self) -> Iterator[str]:
        by_tenant: dict[str, Counter[str]] = {}
        for change in self.changes:
            by_tenant.setdefault(change["tenant"], Counter())[change["action"]] += 1
        if len(by_tenant) < 2:
            return
        ranked = sorted(by_tenant.items(), key=lambda item: (-item[1].total(), item[0]))
        shown = ranked if self.every_line else ranked[:FEW]
        heads = [str(t("TENANT")), *(f"{sign} {WORDS[action]}" for action, sign in SIGNS.items())]
        rows = [[clean(name), *(f"{counts[a]:,}" if counts[a] else "–" for a in SIGNS)] for name, counts in shown]
        yield ""
        yield layout(heads, rows, [False, True, True, True, True])
        if len(shown) < len(ranked):
            yield sentence(
                tn(
                    "… and {count} more tenant (--all)",
                    "… and {count} more tenants (--all)",
                    count=len(ranked) - len(shown),
                )
            )

    # the rest --------------------------------------------------------------------------------------

    def _untouched(self) -> Iterator[str]:
        plan = self.plan
        lines = []
        for part in plan["unmeasured"]:
            lines.append(
                self.paint(
                    sentence(
                        t("Could not measure {part}: {reason}", part=part_words(part["part"]), reason=part["reason"])
                    ),
                    "bold blue",
                )
            )
        for item in plan.get("broken", ()):
            text = t(
                "Could not compute {subscription}: {reason}", subscription=item["subscription"], reason=item["reason"]
            )
            lines.append(self.paint(sentence(text), "bold red"))
        for item in plan.get("waiting", ())[: None if self.every_line else FEW]:
            lines.append(sentence(t("Waits: {id}: {reason}", id=item["id"], reason=item["reason"])))
        foreign, kept, retiring = (plan.get(key, ()) for key in ("foreign", "kept", "retiring"))
        for found, text in (
            (
                foreign,
                tn(
                    "{count} foreign object, left alone",
                    "{count} foreign objects, left alone",
                    count=f"{len(foreign):,}",
                ),
            ),
            (kept, tn("{count} hand-made change, kept", "{count} hand-made changes, kept", count=f"{len(kept):,}")),
            (retiring, t("{count} retiring", count=f"{len(retiring):,}")),
        ):
            if found:
                lines.append(f"{text}: {self._some([_name(f) for f in found])}")
        if lines:
            yield ""
            yield from lines

    def _hit(self) -> Iterator[str]:
        plan = self.plan
        if plan["affected_tenants"]:
            yield ""
            yield sentence(
                tn(
                    "Affects {count} tenant: {names}",
                    "Affects {count} tenants: {names}",
                    count=len(plan["affected_tenants"]),
                    names=self._some(plan["affected_tenants"]),
                )
            )
        for reload in plan.get("reloads", ()):
            yield sentence(
                tn(
                    "Reloads {service} on {host} without interruption; {count} tenant lives there.",
                    "Reloads {service} on {host} without interruption; {count} tenants live there.",
                    service=reload.get("service", "–"),
                    host=reload.get("host", "–"),
                    count=len(reload.get("tenants", ())),
                )
            )
        for item in plan.get("restores", ()):
            yield sentence(
                t(
                    "Restores {subscription}: generation {old} becomes desired instead of {new}.",
                    subscription=item["subscription"],
                    old=item["to_generation"],
                    new=item["from_generation"],
                )
            )
            yield from (sentence(t("{text}", text=text)) for text in item.get("without", ()))
        for item in plan.get("left", ()):
            reason = item["sentence"]
            yield sentence(t("Left alone: {subscription}. {reason}", subscription=item["subscription"], reason=reason))

    def _needs(self) -> Iterator[str]:
        for guard in self.plan.get("guards", ()):
            yield self.paint(
                sentence(t("! {detail} Needs --confirm={word}.", detail=guard["detail"], word=guard["confirm"])),
                "bold red",
            )

    def _next(self) -> Iterator[str]:
        plan = self.plan
        if not any(c["action"] != "conflict" for c in plan["changes"]) and not plan.get("restores"):
            return
        command = f"gasp apply {plan['digest'][:8]}"
        guards = plan.get("guards", ())
        if guards:
            command += f" --confirm={guards[-1]['confirm']}"
        yield sentence(t("Next: {command}", command=command))

    def _some(self, names: Sequence[str]) -> str:
        shown = names if self.every_line else names[:FEW]
        text = ", ".join(clean(str(name)) for name in shown)
        left = len(names) - len(shown)
        return text if not left else sentence(t("{names} and {count} more", names=text, count=f"{left:,}"))


def _label(change: Mapping[str, Any]) -> str:
    return clean(str(label_words(str(change.get("kind")), str(change.get("label") or change["id"]))))


def _name(item: Any) -> str:
    return str(item.get("label") or item["id"]) if isinstance(item, Mapping) else str(item)


def _short(change: Mapping[str, Any]) -> str:
    """The change in a few words, when they are few: `ttl 300 -> 60`."""
    before, after = change.get("before") or {}, change.get("after") or {}
    if change["action"] == "create":
        values = after.get("values")
        text = plain(values) if values else ""
        return text if cell_len(text) <= SUMMARY_CELLS else ""
    fields = [k for k in {**before, **after} if before.get(k) != after.get(k)]
    text = ", ".join(f"{clean(k)} {plain(before.get(k))} -> {plain(after.get(k))}" for k in fields)
    if cell_len(text) <= SUMMARY_CELLS:
        return text
    return sentence(t("{fields} differ (-o wide)", fields=", ".join(fields)))


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    """Before and after, field by field; only what differs. Lists are compared value by value."""
    for field in sorted({**(before or {}), **(after or {})}):
        old, new = (before or {}).get(field), (after or {}).get(field)
        if old == new:
            continue
        gone, come = _values(old), _values(new)
        yield f"        {clean(field)}:"
        yield from (f"          - {line}" for value in gone if value not in come for line in _lines_of(value))
        yield from (f"          + {line}" for value in come if value not in gone for line in _lines_of(value))


def _values(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _lines_of(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{clean(str(k))}: {line}" for k, v in value.items() for line in _lines_of(v)]
    return [clean(line) for line in str(value).splitlines()] or ['""']
