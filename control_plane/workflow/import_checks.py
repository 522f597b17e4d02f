"""Rules of tenant documents that need all of them together: unique codes and indices, parents, regions, status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from control_plane.model.errors import Problem
from control_plane.model.names import RESERVED_LABELS
from control_plane.model.tenant import EstateDocument, TenantDocument, TenantStatus
from control_plane.model.text import Text, t
from control_plane.workflow.documents import TenantFile
from control_plane.workflow.import_yaml import Path, field_text

#: Names of files of an estate's folder that are not tenants'.
FILE_NAMES = frozenset({"estate", "costs"})


@dataclass(frozen=True)
class Candidate:
    """A tenant that an import brings: its file and its document."""

    file: TenantFile
    document: TenantDocument

    @property
    def code(self) -> str:
        """The tenant's code."""
        return self.document.code

    def problem(self, code: str, path: Path, text: Text, remedy: Text) -> Problem:
        """A problem at a place in the file."""
        tree = self.file.tree
        return Problem(code, text, remedy, tree.where, tree.line(path), field_text(path))


def check_together(
    candidates: Sequence[Candidate],
    others: Mapping[str, TenantDocument],
    estate: EstateDocument | None,
    has_subnet: Callable[[int], bool],
    has_sites: Callable[[str], bool],
) -> tuple[list[Problem], list[Candidate]]:
    """All problems, and the candidates that may be examined further.

    `others`: tenants that are there and not part of the import. `has_subnet`: whether the address plan has a
    place for an index. `has_sites`: whether an offering makes websites.
    """
    problems: list[Problem] = []
    first: dict[str, Candidate] = {}
    index_of: dict[int, str] = {d.network.index: d.code for d in others.values() if d.network}
    for candidate in candidates:
        faults = _alone(candidate, estate, has_subnet, has_sites)
        if candidate.code in first:
            other = first[candidate.code].file.tree.where
            text = t("{file} has the same code “{code}”.", file=other, code=candidate.code)
            faults.append(candidate.problem("double-code", ("code",), text, t("Every tenant needs a code of its own.")))
        else:
            first[candidate.code] = candidate
        network = candidate.document.network
        if network is not None and index_of.setdefault(network.index, candidate.code) != candidate.code:
            text = t("Index {index} belongs to {other}.", index=network.index, other=index_of[network.index])
            remedy = t("Every tenant needs a network index of its own.")
            faults.append(candidate.problem("double-index", ("network", "index"), text, remedy))
        problems += faults
    documents = {**others, **{code: candidate.document for code, candidate in first.items()}}
    problems += [p for c in candidates if (p := _parent(c, documents)) is not None]
    doubled = {p.where for p in problems if p.code in ("double-code", "double-index", "no-subnet")}
    return problems, [c for c in first.values() if c.file.tree.where not in doubled]


def _alone(
    candidate: Candidate,
    estate: EstateDocument | None,
    has_subnet: Callable[[int], bool],
    has_sites: Callable[[str], bool],
) -> list[Problem]:
    document, problem = candidate.document, candidate.problem
    listed = document.status is TenantStatus.LISTED
    faults: list[Problem] = []
    if document.code in RESERVED_LABELS | FILE_NAMES:
        text = t("“{code}” is reserved.", code=document.code)
        faults.append(problem("reserved-code", ("code",), text, t("Choose another code.")))
    if estate is not None and document.region_code[:4] != estate.region_code[:4]:
        text = t("Region {code} does not lie in {estate}.", code=document.region_code, estate=estate.region_code)
        remedy = t("Use a region code that begins with {prefix}.", prefix=estate.region_code[:4])
        faults.append(problem("foreign-region", ("region_code",), text, remedy))
    if document.valid_from and document.valid_to and document.valid_to < document.valid_from:
        text = t("It ends on {end}, before it begins on {start}.", end=document.valid_to, start=document.valid_from)
        faults.append(problem("bad-period", ("valid_to",), text, t("Correct one of the dates.")))
    if listed and document.network:
        text = t("A listed tenant has no network.")
        faults.append(problem("listed", ("network",), text, t("Remove the network, or change the status.")))
    if not listed and document.network is None:
        text = t("The tenant has no network.")
        faults.append(problem("no-network", ("network",), text, t("Add “network: {index: N}” with a free index.")))
    if document.network and not has_subnet(document.network.index):
        text = t("The address plan has no place for index {index}.", index=document.network.index)
        faults.append(problem("no-subnet", ("network", "index"), text, t("Use 1 to 250, or 1000 and more.")))
    seen: set[str] = set()
    for number, subscription in enumerate(document.subscriptions):
        path: Path = ("subscriptions", number, "offering")
        if subscription.offering in seen:
            text = t("“{offering}” is subscribed to twice.", offering=subscription.offering)
            faults.append(problem("double-offering", path, text, t("Keep one subscription for each offering.")))
        seen.add(subscription.offering)
        unfit = unfit_for(document.status, has_sites(subscription.offering))
        if unfit is not None:
            code, text = unfit
            faults.append(problem(code, path, text, t("Remove the subscription, or change the status.")))
    return faults


def unfit_for(status: TenantStatus, sites: bool) -> tuple[str, Text] | None:
    """Code and sentence of why a tenant of this status cannot have a service (with `sites` or without), or None."""
    if status is TenantStatus.LISTED:
        return "listed", t("A listed tenant has no services.")
    if status is TenantStatus.NETWORK_ONLY and sites:
        return "network-only", t("A tenant with status network_only has no sites.")
    return None


def _parent(candidate: Candidate, documents: Mapping[str, TenantDocument]) -> Problem | None:
    parent = candidate.document.parent
    if parent is None:
        return None
    if parent not in documents:
        text = t("There is no tenant {code}.", code=parent)
        return candidate.problem("unknown-parent", ("parent",), text, t("Use the code of a tenant of this centre."))
    chain = [candidate.code]
    while parent is not None and parent in documents:
        chain.append(parent)
        if parent == candidate.code:
            text = t("The tenants form a circle: {chain}.", chain=" → ".join(chain))
            return candidate.problem("parent-cycle", ("parent",), text, t("Remove the parent from one of them."))
        if parent in chain[1:-1]:
            return None  # a circle further up: reported where it is
        parent = documents[parent].parent
    return None
