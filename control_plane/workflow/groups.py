"""Groups of people of one department: made, renamed, ended, and who is in them. Each act is one wish of the directory.

Who is in a group is said by its people, so whoever leaves or moves is in none any more. A renamed group keeps its
number. Must not know entries of the directory: the offering that declares people does.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import orjson

from control_plane.model.audit import AuditAct
from control_plane.model.errors import Invalid, NotFound, Problem, StalePlan
from control_plane.model.names import GROUP
from control_plane.model.run import Actor, Event
from control_plane.model.text import Text, t, tn
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.staff import agreed
from control_plane.workflow.staff_wish import Census
from control_plane.workflow.wishes import wish_order

Json = dict[str, Any]
Wish = Mapping[str, Any]
MOST_TITLE = 200


@dataclass(frozen=True)
class Groups:
    """Implements `model.client_groups.GroupsClient`."""

    store: Store
    applier: Applier
    actor: Callable[[], Actor]

    # looking ------------------------------------------------------------------------------------------------------
    def list(self, tenant: str | None = None) -> builtins.list[Json]:
        """See `GroupsClient.list`."""
        if tenant is not None:
            self.store.estate.known(tenant)
        census = self._census()
        codes = sorted(census.specs) if tenant is None else [tenant]
        numbers = self.store.estate.allocations({*codes} & census.specs.keys())
        found = []
        for code in codes:
            spec = census.specs.get(code, {})
            prefix = f"group:{census.rows[code].tenant_id}" if code in census.rows else ""
            for group in sorted(spec.get("groups", ()), key=lambda one: str(one["name"])):
                name = group["name"]
                people = [p["uid"] for p in spec.get("people", ()) if _in(p, name)]
                gid = numbers.get(("gid_number", f"{prefix}/{group.get('first_name') or name}"))
                found.append(
                    {
                        **{"id": f"{code}/{name}", "tenant": code, "name": name, **group["title"]},
                        **{"gid": int(gid) if gid else None, "people": people, "count": len(people)},
                    }
                )
        return found

    def show(self, tenant: str, name: str) -> Json:
        """See `GroupsClient.show`."""
        census = self._census()
        spec = _spec(census, tenant)
        _known(spec, tenant, name)
        row = next(row for row in self.list(tenant) if row["name"] == name)
        people = [p for p in spec.get("people", ()) if _in(p, name)]
        return {**row, "members": [{"uid": p["uid"], "name": p["display_name"]} for p in people]}

    def preview(self, tenant: str, wish: Wish) -> Json:
        """See `GroupsClient.preview`."""
        made = self._made(tenant, wish)
        plan = self.applier.rehearse(self._order(made))
        guards = [guard.as_json() for guard in self.applier.planner.guards(plan)]
        return {**made.head, "digest": made.digest, "plan": {**plan.as_json(), "guards": guards}}

    def wished(self, tenant: str, wish: Wish) -> Json:
        """See `GroupsClient.wished`."""
        made = self._made(tenant, wish)
        return {"offering": made.change.offering, "spec": made.change.spec, "sentence": str(made.sentence)}

    # changing -----------------------------------------------------------------------------------------------------
    def change(
        self, tenant: str, wish: Wish, *, digest: str | None = None, on_event: Callable[[Json], None] | None = None
    ) -> Json:
        """See `GroupsClient.change`."""
        made = self._made(tenant, wish)
        if digest not in (None, made.digest):
            raise StalePlan(
                t("People or groups of {tenant} were changed since the preview.", tenant=tenant),
                t("Look at a new preview first."),
            )
        told: Callable[[Event], None] | None = (lambda event: on_event(event.as_json())) if on_event else None
        run = self.applier.apply(self._order(made), self.actor(), told)
        return {**made.head, "run": run}

    # parts --------------------------------------------------------------------------------------------------------
    def _census(self) -> Census:
        return Census(self.applier.planner.catalogue)

    def _made(self, tenant: str, wish: Wish) -> _Made:
        census = self._census()
        spec, row = deepcopy(_spec(census, tenant)), census.rows[tenant]
        name, sentence = _ACTS[wish["act"]](spec, tenant, wish)
        if spec == census.specs[tenant]:
            raise Invalid([Problem("nothing-changes", t("All of this is there already; nothing would change."))])
        return _Made(SubscriptionChange(tenant, row.offering, row.tier, spec, row.generation), name, sentence)

    def _order(self, made: _Made) -> Order:
        catalogue, actor = self.applier.planner.catalogue, self.actor()
        order = wish_order(catalogue, [made.change], actor, f"group {made.name}", "people")
        desire = order.commit
        assert desire is not None

        def commit() -> None:
            desire()
            code = made.change.tenant_code
            self.store.audit.record(AuditAct.GROUP_CHANGED, actor, tenants=[code], detail={"group": made.name})

        return replace(order, commit=commit, accept=lambda plan: agreed(plan, 0))


@dataclass(frozen=True, slots=True)
class _Made:
    """A wish as it is stored, which group it is about, and in plain words."""

    change: SubscriptionChange
    name: str
    sentence: Text

    @property
    def digest(self) -> str:
        """Of what would be wished, and of what that starts from."""
        one = self.change
        effect = [one.tenant_code, one.offering, one.expected_generation, one.spec]
        return hashlib.sha256(orjson.dumps(effect, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def head(self) -> Json:
        return {"tenant": self.change.tenant_code, "name": self.name, "sentence": str(self.sentence)}


def _spec(census: Census, tenant: str) -> dict[str, Any]:
    if tenant not in census.specs:
        raise NotFound(t("“{name}” is no department that has people here.", name=tenant), t("gasp tenants list"))
    return census.specs[tenant]


def _in(person: Mapping[str, Any], name: str) -> bool:
    return name in person.get("groups", ()) and not person.get("left_on")


def _known(spec: Mapping[str, Any], tenant: str, name: str) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {group["name"]: group for group in spec.get("groups", ())}
    if name not in groups:
        near = get_close_matches(name, groups, 1, 0.5)
        hint = t("Did you mean {near}?", near=near[0]) if near else t("See gasp accounts groups list.")
        raise NotFound(t("{tenant} has no group “{name}”.", tenant=tenant, name=name[:80]), hint)
    return groups[name]


# what each act does to the form -------------------------------------------------------------------------------------
def _make(spec: dict[str, Any], tenant: str, wish: Wish) -> tuple[str, Text]:
    name, zh = str(wish["name"]), str(wish.get("zh") or "").strip()
    problems = _of_name(spec, name, "name") + _of_titles(wish)
    if not zh:
        text = t("The name in Chinese is missing.")
        problems.append(Problem("no-title", text, t("Say what people call it."), field="zh"))
    if problems:
        raise Invalid(problems)
    title = {"zh": zh, "en": str(wish.get("en") or "").strip() or name}
    spec["groups"] = [*spec.get("groups", ()), {"name": name, "title": title}]
    return name, t("{tenant} gets the group {name} ({title}).", tenant=tenant, name=name, title=zh)


def _rename(spec: dict[str, Any], tenant: str, wish: Wish) -> tuple[str, Text]:
    name, group = str(wish["name"]), _known(spec, tenant, str(wish["name"]))
    to = str(wish.get("to") or "").strip() or name
    others = {"groups": [one for one in spec["groups"] if one is not group]}
    problems = _of_titles(wish) + (_of_name(others, to, "to") if to != name else [])
    if problems:
        raise Invalid(problems)
    if to != name:
        first = group.get("first_name") or name
        group |= {"name": to, "first_name": first}
        if first == to:
            del group["first_name"]
        for person in spec.get("people", ()):
            if name in person.get("groups", ()):
                person["groups"] = [to if one == name else one for one in person["groups"]]
    group["title"] = {word: str(wish.get(word) or "").strip() or group["title"][word] for word in ("zh", "en")}
    facts = {"tenant": tenant, "name": name, "to": to, "title": group["title"]["zh"]}
    return to, t("The group {name} of {tenant} is called {to} ({title}); its people stay.", **facts)


def _end(spec: dict[str, Any], tenant: str, wish: Wish) -> tuple[str, Text]:
    name = str(wish["name"])
    _known(spec, tenant, name)
    count = sum(1 for person in spec.get("people", ()) if _in(person, name))
    spec["groups"] = [group for group in spec["groups"] if group["name"] != name]
    _take_out(spec, name, None)
    facts = {"tenant": tenant, "name": name, "count": count}
    return name, tn(
        "The group {name} of {tenant} ends; {count} person is in it no longer.",
        "The group {name} of {tenant} ends; {count} people are in it no longer.",
        **facts,
    )


def _people(spec: dict[str, Any], tenant: str, wish: Wish) -> tuple[str, Text]:
    name = str(wish["name"])
    _known(spec, tenant, name)
    put, out = [*dict.fromkeys(wish.get("put", ()))], [*dict.fromkeys(wish.get("out", ()))]
    here = {person["uid"]: person for person in spec.get("people", ()) if not person.get("left_on")}
    problems = []
    for field, uids in (("put", put), ("out", out)):
        for uid in uids:
            if uid not in here:
                text = t("Nobody of {tenant} has the account “{uid}”.", tenant=tenant, uid=uid[:80])
                problems.append(Problem("unknown-person", text, t("See gasp accounts list."), field=field))
            elif field == "put" and uid in out:
                text = t("{uid} is to be put in and taken out.", uid=uid)
                problems.append(Problem("both", text, t("Say one of the two."), field=field))
    if problems:
        raise Invalid(problems)
    put = [uid for uid in put if not _in(here[uid], name)]
    out = [uid for uid in out if _in(here[uid], name)]
    for uid in put:
        here[uid]["groups"] = [*here[uid].get("groups", ()), name]
    _take_out(spec, name, {*out})
    facts = {"tenant": tenant, "name": name, "put": len(put), "out": len(out)}
    return name, tn(
        "{put} person is put into {name} of {tenant}, {out} taken out.",
        "{put} people are put into {name} of {tenant}, {out} are taken out.",
        count=len(put),
        **facts,
    )


_ACTS: Mapping[str, Callable[[dict[str, Any], str, Wish], tuple[str, Text]]] = {
    "make": _make,
    "rename": _rename,
    "end": _end,
    "people": _people,
}


def _take_out(spec: dict[str, Any], name: str, uids: set[str] | None) -> None:
    """Take these people (None: everybody, leavers too) out of a group."""
    for person in spec.get("people", ()):
        if (uids is None or person["uid"] in uids) and name in person.get("groups", ()):
            person["groups"] = [one for one in person["groups"] if one != name]


def _of_name(spec: Mapping[str, Any], name: str, field: str) -> builtins.list[Problem]:
    if not GROUP.match(name):
        text = t("“{name}” is no short name of a group.", name=name[:80])
        remedy = t("1 to 31 small letters, digits and hyphens, a letter first, such as leaders.")
        return [Problem("bad-group", text, remedy, field=field)]
    for group in spec.get("groups", ()):
        if name in (group["name"], group.get("first_name")):
            text = t("“{name}” is, or was, the name of another group of this department.", name=name)
            return [Problem("taken", text, t("Take another name."), field=field)]
    return []


def _of_titles(wish: Wish) -> builtins.list[Problem]:
    problems = []
    for field in ("zh", "en"):
        said = str(wish.get(field) or "")
        if len(said) > MOST_TITLE or not said.isprintable():
            text = t("It is longer than {limit} characters, or more than one line.", limit=MOST_TITLE)
            problems.append(Problem("bad-title", text, t("Say it in a few words."), field=field))
    return problems
