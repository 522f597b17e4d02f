"""What a request would change on real systems: a plan of exactly its scope, in plain words, and what was agreed on.

`Agreed` is a plan in short, as it was shown to who signed. Two of them are compared when the world may have moved.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from control_plane.model.change_class import Classified, Facts, classify
from control_plane.model.machine import BASELINE
from control_plane.model.plan import Change, Plan
from control_plane.model.request import Request
from control_plane.model.run import Event, EventType
from control_plane.model.scope import parse_scope
from control_plane.model.text import Text, t
from control_plane.store.audit import Behalf
from control_plane.workflow.applying import MOST_LEFT
from control_plane.workflow.observe import observe
from control_plane.workflow.planning import Picture, Planner
from control_plane.workflow.request_forms import OnlyLooking, RequestForms, Wish, content_digest

#: Changes that a request brings; drift and renewals are somebody else's.
OWN = frozenset({"new", "changed", "removed", "foreign-in-the-way"})
MOST_NAMES = 5
KINDS: Mapping[str, Text] = {
    "dns.rrset": t("name"),
    "web.vhost": t("website"),
    "web.release": t("content of a website"),
    "web.certificate": t("certificate"),
    "directory.unit": t("unit of the directory"),
    "directory.person": t("account"),
    "directory.group": t("group"),
    "directory.service": t("service account"),
    "gateway.network": t("network access"),
    "gateway.proxy": t("rules of internet access"),
    "machine.baseline": t("protection of a machine"),
}


@dataclass(frozen=True)
class Agreed:
    """A plan in short. `rows`: [action, kind, name, hash before, hash after] of each change; what is made new has no
    hash, because numbers and keys are given out when it is written."""

    rows: tuple[tuple[str | None, ...], ...]
    lost: tuple[str, ...] = ()
    affected: tuple[str, ...] = ()
    hosts: int = 0
    words: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    summary: Mapping[str, int] = field(default_factory=dict)

    def as_json(self, content: str) -> dict[str, Any]:
        """Storable form, with the digest of the content that it was made for."""
        return {
            "content": content,
            "rows": [list(row) for row in self.rows],
            "lost": list(self.lost),
            "affected": list(self.affected),
            "hosts": self.hosts,
            "words": [[action, kind, list(names)] for action, kind, names in self.words],
            "summary": dict(self.summary),
        }


def agreed(changes: Iterable[Change], personal: Collection[str]) -> Agreed:
    """Changes of one request, in short."""
    own = [c for c in changes if c.reason in OWN]
    rows = sorted((_row(c, personal) for c in own), key=lambda row: tuple(item or "" for item in row))
    machines = {c.id for c in own if c.kind == BASELINE}
    counts = Counter(c.action for c in own)
    return Agreed(
        tuple(rows),
        tuple(c.label or c.id for c in own if c.action == "delete" and c.destroys_data),
        tuple(sorted({c.tenant for c in own})),
        len(machines),
        tuple(_words(own)),
        {name: counts[name] for name in ("create", "update", "delete", "conflict")},
    )


def agreed_before(request: Request) -> Agreed:
    """The plan in short that a request keeps."""
    kept = request.agreed
    rows = tuple(tuple(row) for row in kept.get("rows", ()))
    return Agreed(rows, tuple(kept.get("lost", ())), tuple(kept.get("affected", ())), int(kept.get("hosts", 0)))


def _row(change: Change, personal: Collection[str]) -> tuple[str | None, ...]:
    name = change.label if change.kind in personal and change.action == "create" else change.id
    return (
        change.action,
        change.kind,
        name,
        change.before_hash,
        None if change.action == "create" else change.after_hash,
    )


def moved(before: Mapping[str, Any], after: Agreed) -> list[str]:
    """Names of what is planned differently than it was agreed on; empty when nothing moved."""
    old = {tuple(row) for row in before.get("rows", ())}
    return sorted({str(row[2]) for row in old ^ set(after.rows)})


def _words(changes: Sequence[Change]) -> list[tuple[str, str, tuple[str, ...]]]:
    """What happens to which kind, and the names; what is taken away first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for change in sorted(changes, key=lambda c: c.key):
        groups.setdefault((change.action, change.kind), []).append(change.label or change.id)
    return [(action, kind, tuple(names)) for (action, kind), names in groups.items()]


def sentences(words: Iterable[Sequence[Any]]) -> list[Text]:
    """The plan in plain words: one sentence for all of one kind."""
    return [_sentence(action, kind, names) for action, kind, names in words]


def _sentence(action: str, kind: str, names: Sequence[str]) -> Text:
    shown = ", ".join(names[:MOST_NAMES]) + (f" (+{len(names) - MOST_NAMES})" if len(names) > MOST_NAMES else "")
    what = KINDS.get(kind, Text(kind))
    if action == "create":
        return t("New: {kind} {names}.", kind=what, names=shown)
    if action == "update":
        return t("Changed: {kind} {names}.", kind=what, names=shown)
    if action == "delete":
        return t("Taken away: {kind} {names}.", kind=what, names=shown)
    return t("In the way: {kind} {names}, which is not ours; an operator has to clear it.", kind=what, names=shown)


@dataclass(frozen=True)
class Preview:
    """A request's plan with everything that follows from it."""

    picture: Picture
    agreed: Agreed
    classified: Classified
    content: str
    digest: str

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.picture.plan


class RequestPlans:
    """Makes previews. The desired state is changed for the moment of planning only."""

    def __init__(self, forms: RequestForms, planner: Planner) -> None:
        self.forms = forms
        self.planner = planner

    def preview(self, request: Request) -> Preview:
        """A real plan of exactly this change. The systems are asked before the short transaction of planning, so that
        nobody waits for them. Raises Invalid and StalePlan as writing it would."""
        wish = self.forms.wish(request)
        scope = parse_scope(",".join(f"subscription:{name}" for name in self.forms.scope(request, wish.spec)))
        looks = observe(self.planner.parts(scope), scope.tenants, self.planner.clock)
        store = self.planner.catalogue.store
        try:
            with store.transaction():
                if wish.change is not None:
                    self.forms.write([(store.actors.get("preview"), "preview", wish.change, Behalf())])
                picture = self.planner.compare(scope, self.planner.catalogue.world(None, scope.tenants), looks)
                raise OnlyLooking
        except OnlyLooking:
            return self.weighed(request, wish, picture)

    def weighed(self, request: Request, wish: Wish, picture: Picture) -> Preview:
        """Class, signatures and digest of a plan."""
        short = agreed(picture.plan.changes, self.planner.personal)
        content = content_digest(request)
        return Preview(picture, short, self.classified(request, wish.spec, short), content, digest_of(content, short))

    def classified(self, request: Request, spec: Mapping[str, Any] | None, short: Agreed) -> Classified:
        """Which class it is and who must sign."""
        offering = self.forms.offering(request.content.offering)
        rules, form = offering.asking, offering.spec
        assert rules is not None and form is not None
        _, now = self.forms.current(request.content)
        present = request.base if now is None or now["spec"] == spec else now
        before = form.model_validate(present["spec"]) if present else None
        after = form.model_validate(spec) if spec is not None else None
        same_tier = request.base is None or request.base["tier"] == request.content.tier
        standard = rules.standard(before, after) if request.content.action == "change" and same_tier else None
        public = rules.public(before, after)
        table = self.planner.catalogue.store.classes.current()
        touched = len(short.affected), short.hosts
        words = tuple(rules.words(before, after))
        return classify(Facts(standard, public, short.lost, *touched, request.content.offering, words), table)


def digest_of(content: str, short: Agreed) -> str:
    """What a signoff is bound to: the content and the plan."""
    return hashlib.sha256(orjson.dumps([content, [list(row) for row in short.rows]])).hexdigest()


def lacking_of(plan: Mapping[str, Any], done: Collection[str], events: Iterable[Event]) -> set[str] | None:
    """Subscriptions of which something was planned and is not done, or not as planned when it was verified; None when
    it cannot be told, because not everything was seen."""
    planned = {c["id"]: f"{c['tenant']}/{c['offering']}" for c in plan["changes"] if c["action"] != "conflict"}
    checks = [e.data for e in events if e.type is EventType.VERIFIED]
    left = set(checks[-1]["left"]) if checks else set()
    whole = checks and len(left) < MOST_LEFT and left <= planned.keys() and not plan["unmeasured"]
    if not whole:
        return None
    broken = {item["subscription"] for item in plan["broken"]}
    return broken | {name for i, name in planned.items() if i not in done or i in left}
