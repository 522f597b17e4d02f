"""How each change is carried out: conditional requests, and what to make of the answers. No I/O of its own.

The precondition of every write is the content that the plan saw. The entry's version (entryCSN, RFC 4528) stands for
it; if only the version moved (a password was changed, the server followed a rename), the entry is read again and the
write repeated against its new version. If the content moved, the change is refused.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from control_plane.drivers import directory_ber as ber
from control_plane.drivers.directory_entries import ATTRIBUTES, moved, observed
from control_plane.drivers.directory_session import Answer, Conversation, Request, ldap3
from control_plane.model.dn import COMPARED, OBJECT_CLASSES, normal_value, normalise_dn, parent_dn, rdn_of, split_dn
from control_plane.model.plan import Change
from control_plane.model.ports import Outcome
from control_plane.model.resource import Attributes, Observed, Resource
from control_plane.model.text import Text, t

SUCCESS, NO_SUCH_ATTRIBUTE, CONSTRAINT, VALUE_EXISTS, NO_SUCH_OBJECT = 0, 16, 19, 20, 32
NOT_ON_NON_LEAF, ALREADY_EXISTS, ASSERTION_FAILED = 66, 68, 122
MOVED = frozenset({NO_SUCH_ATTRIBUTE, VALUE_EXISTS, NO_SUCH_OBJECT, ASSERTION_FAILED})
"""Answers that say: not as the plan saw it. They are looked into, never taken as the last word."""
TAKEN = frozenset({CONSTRAINT, ALREADY_EXISTS})
UNIQUE = ("uid", "uidNumber")
ATTEMPTS = 6
MANAGE = ber.control(ber.MANAGE_DSA_IT, None)
_ATTRIBUTE = re.compile(r"attribute '([\w;.-]+)'|^([\w;.-]+): ")
Looking = Generator[Request, Answer, Observed | None]


class Writer:
    """One apply: knows what it has renamed and removed, and so what the server changes as a consequence.

    `tenants`: DN of the tenants' branch. `placeholder`: DN that stands for "no member" in groups. `going`: old → new DN
    of what will be renamed.
    """

    def __init__(self, tenants: str, placeholder: str, going: Mapping[str, str]) -> None:
        self.tenants = tenants
        self.placeholder = placeholder
        self.going = going
        self.preceded: dict[str, Attributes] = {}
        self.renamed: dict[str, str] = {}
        self.removed: set[str] = set()

    def write(self, change: Change) -> Conversation[Outcome]:
        """Carry out one change. Never raises for a fault of the change."""
        try:
            problem = _unfit(change)
            if problem:
                return problem
            if change.resource is None:
                return (yield from self._delete(change))
            if change.before is None:
                return (yield from self._create(change, change.resource))
            return (yield from self._update(change, change.resource, change.before))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            return Outcome(change.id, "failed", t("This entry cannot be written: {reason}.", reason=reason))

    def precede(self, change: Change) -> Conversation[None]:
        """Add the coming names of members to a group, beside the present ones: the members are in it at every moment,
        whoever moves references. Who is renamed and no member any more is taken out under the old name: the server
        follows a rename a moment later, and would not find whose `memberOf` is to go. What comes of it is seen when
        the group itself is written.
        """
        before, after = set((change.before or {}).get("member", ())), set((change.after or {}).get("member", ()))
        coming = after - before - {self.placeholder}
        leaving = {m for m in before - after if m in self.going and self.going[m] not in after}
        if not change.before or not change.token or not (coming or leaving):
            return
        if not (before | coming) - leaving:
            coming = {self.placeholder}
        changes = [(ber.ADD, "member", sorted(coming))] if coming else []
        changes += [(ber.DELETE, "member", sorted(leaving))] if leaving else []
        dn = change.before["dn"]
        answer = yield Request(ber.modify_request(dn, changes), ber.asserting(dn, change.token))
        if answer.result.code == SUCCESS and leaving:
            self.preceded[change.id] = {**change.before, "member": sorted(before - leaving)}

    # the three actions --------------------------------------------------------------------------------------------
    def _create(self, change: Change, resource: Resource) -> Conversation[Outcome]:
        marks = {"gaspOwner": [resource.owner.marker], "gaspKey": [resource.id]}
        dn = resource.attributes["dn"]
        content = {name: values for name, values in resource.attributes.items() if name != "dn"}
        answer = yield Request(ber.add_request(dn, {**content, **marks}))
        if answer.result.code == SUCCESS:
            return Outcome(change.id, "applied")
        if answer.result.code not in TAKEN:
            return _failed(change, answer.result)
        found = yield from self._find(change.id)
        if found is None:
            return (yield from self._in_the_way(change, resource, answer.result))
        if _same(found, resource):
            return Outcome(change.id, "already")
        names = _differences(found.attributes, resource.attributes) or "gaspOwner"
        return _refused(change, t("It exists already, with another content ({names}); plan again.", names=names))

    def _update(self, change: Change, resource: Resource, before: Attributes) -> Conversation[Outcome]:
        seen = self.preceded.get(change.id, before)
        wanted, version, wrote = resource.attributes, change.token, change.id in self.preceded
        for _ in range(ATTEMPTS):
            result = ber.Result(ASSERTION_FAILED)
            if version is not None:
                rename = seen["dn"] != wanted["dn"]
                operation = _rename(seen, wanted) if rename else _modify(seen, resource)
                answer = yield Request(operation, ber.asserting(seen["dn"], version))
                result = answer.result
                if result.code == SUCCESS and not rename:
                    return Outcome(change.id, "applied")
                if result.code == SUCCESS:
                    wrote = True
                    self.renamed[seen["dn"]] = self.renamed[before["dn"]] = wanted["dn"]
                    seen = _after_rename(seen, wanted["dn"])
                elif result.code not in MOVED | TAKEN:
                    return _failed(change, result)
            found = yield from self._find(change.id)
            if found is None:
                return _refused(change, t("It is gone since the plan was made."))
            if _same(found, resource):
                return Outcome(change.id, "applied" if wrote else "already")
            if result.code in TAKEN and found.attributes["dn"] == seen["dn"]:
                return (yield from self._in_the_way(change, resource, result))
            if self._settled(found.attributes) != self._settled(seen):
                return _changed(change, found.attributes, seen)
            seen, version = found.attributes, found.token
        return _refused(change, t("It keeps changing; somebody else writes to it."))

    def _delete(self, change: Change) -> Conversation[Outcome]:
        seen: Attributes = change.before or {}
        marker, version = f"{change.tenant_id}/{change.offering}", change.token
        for _ in range(ATTEMPTS):
            if version is not None:
                answer = yield Request(ber.delete_request(seen["dn"]), ber.asserting(seen["dn"], version))
                if answer.result.code == SUCCESS:
                    self.removed.add(seen["dn"])
                    return Outcome(change.id, "applied")
                if answer.result.code == NOT_ON_NON_LEAF:
                    return (yield from self._below(change, seen["dn"]))
                if answer.result.code not in MOVED:
                    return _failed(change, answer.result)
            found = yield from self._find(change.id)
            if found is None:
                self.removed.add(seen["dn"])
                return Outcome(change.id, "already")
            if found.owner_marker != marker or self._settled(found.attributes) != self._settled(seen):
                return _changed(change, found.attributes, seen)
            seen, version = found.attributes, found.token
        return _refused(change, t("It keeps changing; somebody else writes to it."))

    # looking closer -----------------------------------------------------------------------------------------------
    def _find(self, resource_id: str) -> Looking:
        """The entry of a resource, wherever it is by now. Raises ValueError when that could not be seen."""
        criterion = ber.equals("gaspKey", resource_id)
        answer = yield Request(ber.search_request(self.tenants, ber.SUBTREE, criterion, ATTRIBUTES), MANAGE)
        if answer.result.code != SUCCESS:
            raise ValueError(f"the search for it ended with {_name(answer.result.code)}")
        return next((seen for seen in map(observed, answer.entries) if seen is not None), None)

    def _in_the_way(self, change: Change, resource: Resource, result: ber.Result) -> Conversation[Outcome]:
        """Who holds the DN, or a value that may exist only once."""
        wanted = resource.attributes
        answer = yield Request(
            ber.search_request(wanted["dn"], ber.BASE, ber.present("objectClass"), ATTRIBUTES), MANAGE
        )
        others = [entry for entry in answer.entries if not _is(entry, change.id)]
        if others and result.code == ALREADY_EXISTS:
            return _refused(change, t("In the way at this DN: {who}.", who=_who(others[0])))
        unique = [ber.equals(name, value) for name in UNIQUE for value in wanted.get(name, ())]
        if unique:
            answer = yield Request(
                ber.search_request(self.tenants, ber.SUBTREE, ber.any_of(unique), ATTRIBUTES), MANAGE
            )
            others = [entry for entry in answer.entries if not _is(entry, change.id)]
            names = [name for name in UNIQUE if others and _shares(others[0][1].get(name, []), wanted.get(name, ()))]
            if names:
                text = t(
                    "The attribute {attribute} must be unique and is taken by {who}.",
                    attribute=", ".join(names),
                    who=_who(others[0]),
                )
                return _refused(change, text)
        return _failed(change, result)

    def _below(self, change: Change, dn: str) -> Conversation[Outcome]:
        """What keeps a unit from being removed."""
        answer = yield Request(
            ber.search_request(dn, ber.ONE_LEVEL, ber.present("objectClass"), ATTRIBUTES, size_limit=3), MANAGE
        )
        who = "; ".join(_who(entry) for entry in answer.entries)
        return _refused(change, t("It cannot be removed while there is something below it: {who}.", who=who))

    def _settled(self, attributes: Attributes) -> dict[str, Any]:
        """Content as it is once the server has followed everything that this apply renamed and removed."""
        content = {**attributes, "dn": moved(attributes["dn"], self.renamed)}
        if "member" in attributes:
            members = {moved(m, self.renamed) for m in attributes["member"] if m not in self.removed}
            content["member"] = members - {self.placeholder}
        return content


def _unfit(change: Change) -> Outcome | None:
    """What only this side can see: another spelling or attribute would come back as a difference for ever."""
    if change.resource is None:
        return None
    attributes = change.resource.attributes
    if normalise_dn(attributes["dn"]) != attributes["dn"]:
        raise ValueError("the DN is not in normal form")
    names = set(attributes) - set(COMPARED[change.kind]) - {"dn"}
    classes = set(attributes["objectClass"]) - set(OBJECT_CLASSES)
    if not names and not classes:
        return None
    listed = ", ".join(sorted(names | classes))
    text = t("The directory's driver does not manage {names} of {kind}.", names=listed, kind=change.kind)
    return Outcome(change.id, "failed", text)


def _rename(seen: Attributes, wanted: Attributes) -> bytes:
    superior = parent_dn(wanted["dn"])
    return ber.rename_request(seen["dn"], rdn_of(wanted["dn"]), None if superior == parent_dn(seen["dn"]) else superior)


def _modify(seen: Attributes, resource: Resource) -> bytes:
    """Old values out, new values in, of the attributes that differ; the owner follows a move to another tenant."""
    changes: list[tuple[int, str, Sequence[str]]] = []
    for name in COMPARED[resource.kind]:
        old, new = set(seen.get(name, ())), set(resource.attributes.get(name, ()))
        if old - new:
            changes.append((ber.DELETE, name, sorted(old - new)))
        if new - old:
            changes.append((ber.ADD, name, sorted(new - old)))
    changes.append((ber.REPLACE, "gaspOwner", [resource.owner.marker]))
    return ber.modify_request(seen["dn"], changes)


def _after_rename(seen: Attributes, dn: str) -> dict[str, Any]:
    """What an entry holds after a rename: the naming values went with the name."""
    content: dict[str, Any] = {**seen, "dn": dn}
    for name, value in split_dn(seen["dn"])[0]:
        content[name] = [v for v in content.get(name, ()) if normal_value(v) != value]
    for name, value in split_dn(dn)[0]:
        content[name] = sorted({*content.get(name, ()), value})
    return content


def _same(found: Observed, resource: Resource) -> bool:
    return found.owner_marker == resource.owner.marker and found.attributes == resource.attributes


def _is(entry: ber.RawEntry, resource_id: str) -> bool:
    return entry[1].get("gaspKey") == [resource_id]


def _shares(values: Sequence[str], wanted: Sequence[str]) -> bool:
    return not {v.lower() for v in values}.isdisjoint(v.lower() for v in wanted)


def _who(entry: ber.RawEntry) -> str:
    """An entry of ours by its id (opaque for persons), any other by its DN."""
    name, raw = entry
    key = raw.get("gaspKey")
    return key[0] if key else name


def _differences(found: Attributes, other: Attributes) -> str:
    return ", ".join(sorted(name for name in found.keys() | other.keys() if found.get(name) != other.get(name)))


def _name(code: int) -> str:
    return str(ldap3().core.results.RESULT_CODES.get(code, f"result {code}"))


def _refused(change: Change, text: Text) -> Outcome:
    return Outcome(change.id, "refused", text)


def _changed(change: Change, found: Attributes, seen: Attributes) -> Outcome:
    names = _differences(found, seen) or "gaspOwner"
    return _refused(change, t("It changed since the plan was made ({names}).", names=names))


def _failed(change: Change, result: ber.Result) -> Outcome:
    """The server's own words, with the attribute it complains about if it names one."""
    match = _ATTRIBUTE.search(result.diagnostic)
    reason = f"{_name(result.code)}, {result.diagnostic}" if result.diagnostic else _name(result.code)
    if match:
        name = match[1] or match[2]
        text = t("The directory refused it for the attribute {name}: {reason}.", name=name, reason=reason)
    elif result.code == NO_SUCH_OBJECT:
        text = t("What it lies in does not exist (only {dn} does).", dn=result.matched)
    else:
        text = t("The directory refused it: {reason}.", reason=reason)
    return Outcome(change.id, "failed", text)
