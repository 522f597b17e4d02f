"""Entries as resources: ids, kinds, what is asked for, what is ours and what is foreign. No I/O, no writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from control_plane.drivers.directory_ber import RawEntry
from control_plane.model.dn import (
    COMPARED,
    DN_VALUED,
    OBJECT_CLASSES,
    naming_value,
    normalise_dn,
    parent_dn,
    split_dn,
)
from control_plane.model.resource import Foreign, Kind, Observed, Sensitivity

PART = "directory:tenants"
KINDS: Sequence[Kind] = (
    Kind("directory.unit", "directory", 10),
    Kind("directory.person", "directory", 12, destroys_data=True, sensitivity=Sensitivity.PERSONAL),
    Kind("directory.service", "directory", 12),
    Kind("directory.group", "directory", 14, sensitivity=Sensitivity.PERSONAL),
)
MANAGED = "gaspManaged"
MARKS = frozenset({"gaspOwner", "gaspKey", "entryCSN"})
_PREFIXES = {
    "directory:ou/": "directory.unit",
    "directory:person/": "directory.person",
    "directory:service/": "directory.service",
    "directory:group/": "directory.group",
}
ATTRIBUTES = (
    *sorted({name for names in COMPARED.values() for name in names}),
    "gaspOwner",
    "gaspKey",
    "entryCSN",
    "hasSubordinates",
)
"""What a look asks for: everything compared, whose it is, its version, and whether something lies below it."""
_WANTED = {kind: frozenset(names) for kind, names in COMPARED.items()}
_CLASSES = {name.lower(): name for name in OBJECT_CLASSES}
_LABEL = {"directory.unit": "ou", "directory.group": "cn"}

PersonId = Callable[[str], str | None]
"""uid → id of the resource that is (or will be) the person with this uid, if there is one."""


def kind_of(resource_id: str) -> str | None:
    """The kind that an id belongs to."""
    start, slash, _ = resource_id.partition("/")
    return _PREFIXES.get(start + slash)


def observed(entry: RawEntry) -> Observed | None:
    """An entry that carries our marks, in the form in which offerings declare it; None if it carries none."""
    name, raw = entry
    owner, key, version = raw.get("gaspOwner"), raw.get("gaspKey"), raw.get("entryCSN")
    if not owner or not key or not version:
        return None
    kind = kind_of(key[0])
    if kind is None:
        return None
    wanted = _WANTED[kind]
    attributes: dict[str, Any] = {"dn": normalise_dn(name)}
    for attribute, values in raw.items():
        if attribute not in wanted:
            continue
        if attribute == "objectClass":
            values = [_CLASSES[value.lower()] for value in values if value.lower() in _CLASSES]
        elif attribute in DN_VALUED:
            values = [normalise_dn(value) for value in values]
        attributes[attribute] = sorted(values) if len(values) > 1 else values
    label = attributes.get(_LABEL.get(kind, "uid"), "")
    return Observed(
        id=key[0],
        kind=kind,
        owner_marker=owner[0],
        attributes=attributes,
        label=label[0] if label else key[0],
        token=version[0],
    )


def foreign(entry: RawEntry, base: str, person_id: PersonId | None, why: str = "") -> Foreign:
    """An entry below `base` that is not ours.

    `blocks`: units, groups and services have ids that follow from their place. A person's does not; `person_id`
    tells it by uid (a uid is unique over the city, so it blocks wherever it stands). Without `person_id` the
    conflict shows when the change is applied, as `refused`.
    """
    name, raw = entry
    blocks: set[str] = set()
    try:
        dn = normalise_dn(name)
        rdns = split_dn(name)[: -len(split_dn(base))]
    except ValueError:
        dn, rdns = name.lower(), []
    values = [naming_value(rdn, kind) for rdn, kind in zip(reversed(rdns), ("ou", "ou"), strict=False)]
    code, branch = [*values, None, None][:2]
    if code and len(rdns) <= 2 and (branch or len(rdns) == 1):
        blocks.add("directory:ou/" + "/".join(value.lower() for value in values if value))
    elif code and len(rdns) == 3:
        group, service = naming_value(rdns[0], "cn"), naming_value(rdns[0], "uid")
        code = code.lower()
        if branch == "groups" and group:
            blocks |= {f"directory:group/{code}/{name}" for name in (group, group.lower())}
        if branch == "services" and service:
            blocks |= {f"directory:service/{code}/{name}" for name in (service, service.removeprefix(f"{code}-"))}
    if person_id is not None:
        ids = (person_id(uid) for uid in raw.get("uid", ()))
        blocks |= {found for found in ids if found is not None}
    return Foreign(f"directory:dn/{dn}", "directory.entry", f"{name} ({why})" if why else name, tuple(sorted(blocks)))


def sort_out(
    entries: Iterable[RawEntry], base: str, person_id: PersonId | None
) -> tuple[dict[str, Observed], list[Foreign]]:
    """Ours by id, and what is foreign. Of two entries with the same key the older write is the resource."""
    ours: dict[str, tuple[Observed, RawEntry]] = {}
    others: list[Foreign] = []
    for entry in entries:
        try:
            seen = observed(entry)
        except ValueError:
            seen = None
        if seen is None:
            others.append(foreign(entry, base, person_id))
            continue
        known = ours.get(seen.id)
        if known is not None:
            newer = max(known, (seen, entry), key=lambda pair: (pair[0].token or "", pair[1][0]))
            others.append(foreign(newer[1], base, None, f"a copy of {seen.id}"))
            if newer[0] is seen:
                continue
        ours[seen.id] = seen, entry
    return {key: seen for key, (seen, _) in ours.items()}, others


def hidden(entries: Iterable[RawEntry], top: str) -> str | None:
    """A DN of which something must exist but was not shown; None if the look is whole.

    That is: the parent of a shown entry, whatever lies below one that has something below it, and of an entry of ours
    its marks and version (the schema demands them). `top` (normal form) is known to exist, shown or not.
    """
    full: set[str] = set()
    names: set[str] = {top}
    for name, raw in entries:
        classes = raw.get("objectClass", ())
        if not classes or (MANAGED in classes and not raw.keys() >= MARKS):
            return name
        try:
            dn = normalise_dn(name)
        except ValueError:
            continue
        names.add(dn)
        if raw.get("hasSubordinates") == ["TRUE"]:
            full.add(dn)
    parents = {parent_dn(dn) for dn in names if dn != top}
    missing = sorted(parents - names)
    if missing:
        return missing[0]
    empty = sorted(full - parents)
    return f"*,{empty[0]}" if empty else None


def moved(dn: str, renamed: Mapping[str, str]) -> str:
    """Where an entry is after renames (old → new DN) of itself or of something above it."""
    above = dn
    while above:
        if above in renamed:
            return dn[: len(dn) - len(above)] + renamed[above]
        above = parent_dn(above)
    return dn
