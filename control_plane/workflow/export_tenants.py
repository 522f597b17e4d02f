"""Writes tenants as documents: what an import reads. Exporting and importing again changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from control_plane.model.errors import NotFound, Rejected
from control_plane.model.tenant import EstateDocument, TenantStatus
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionRow, TenantRow
from control_plane.store.repository import Store
from control_plane.workflow.documents import ESTATE_FILE, PEOPLE_FOLDER, write_people, write_yaml


def export_tenants(store: Store, folder: Path, codes: Sequence[str] = ()) -> dict[str, Any]:
    """Write `estate.yaml`, `CODE.yaml` and `people/CODE.csv` of all tenants, or of `codes` only.

    Files of the same names are replaced, others left alone. Returns {files: [names]}. Raises NotFound for an unknown
    code and Rejected when the folder cannot be written.
    """
    with store.look():
        estate = store.estate.document()
        tenants = {row.code: row for row in store.estate.tenants()}
        subscriptions: dict[str, list[SubscriptionRow]] = {}
        for row in store.estate.subscriptions():
            subscriptions.setdefault(row.code, []).append(row)
    unknown = sorted(set(codes) - tenants.keys())
    if estate is None or unknown:
        raise NotFound(
            t("No such tenant: {codes}.", codes=", ".join(unknown))
            if unknown
            else t("No estate has been imported yet."),
            t("“gasp tenants list” shows all of them."),
        )
    files: dict[str, bytes] = {ESTATE_FILE: write_yaml(_estate(estate))}
    for code in sorted(codes or tenants):
        document, people = _document(tenants[code], subscriptions.get(code, []))
        files[f"{code}.yaml"] = write_yaml(document)
        if people is not None:
            files[f"{PEOPLE_FOLDER}/{code}.csv"] = write_people(people)
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        reason = t("{folder} cannot be written: {reason}.", folder=folder, reason=error.strerror or error)
        raise Rejected(reason, t("Choose another folder, or make room.")) from error
    return {"folder": str(folder), "files": sorted(files)}


def _estate(document: EstateDocument) -> dict[str, Any]:
    return document.model_dump(mode="json", exclude_none=True)


def _document(row: TenantRow, active: Sequence[SubscriptionRow]) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    always = {"code", "names", "kind", "status", "region_code"}
    full = row.document.model_dump(mode="json", exclude={"subscriptions"}, exclude_none=True)
    brief = row.document.model_dump(mode="json", exclude={"subscriptions"}, exclude_defaults=True)
    document = {name: full[name] for name in full if name in always or name in brief}
    people = None
    listing = []
    for subscription in active:
        spec = dict(subscription.spec)
        if "people" in spec:
            people = spec.pop("people")
        listing.append({"offering": subscription.offering, "tier": subscription.tier, "spec": spec})
    if listing or row.status is not TenantStatus.LISTED:
        document["subscriptions"] = listing
    return document, people
