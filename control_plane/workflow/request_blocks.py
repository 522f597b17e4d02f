"""Blocks of a plan: what happens to things of one kind, in one system, for one tenant. Reviewers mark blocks as looked
at and write about them.

The content of a block has a hash of its own, over all that its changes say. A mark holds for this very content; what
was said of another is about an earlier preview. Must not judge who may write.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from control_plane.model.errors import NotFound, StalePlan
from control_plane.model.request import Request
from control_plane.model.scope import part_words
from control_plane.model.text import Text, t
from control_plane.store.repository import Store
from control_plane.workflow.request_plans import KINDS

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """`id`: `PART/KIND/TENANT`, the same in every plan; `content`: SHA-256 (hex) over its changes; `changes`: places of
    these in the plan; `counts`: action → how many."""

    id: str
    part: str
    kind: str
    tenant: str
    content: str
    changes: tuple[int, ...]
    counts: Mapping[str, int]

    def said(self) -> Json:
        """How an event names it: enough to say later what it was about."""
        return {"id": self.id, "part": self.part, "kind": self.kind, "tenant": self.tenant, "content": self.content}


def title_of(named: Mapping[str, Any]) -> Text:
    """What a block is called, of what an event says of it."""
    kind = KINDS.get(named["kind"], Text(named["kind"]))
    return t("{kind} · {part} · {tenant}", kind=kind, part=part_words(named["part"]), tenant=named["tenant"])


def blocks_of(changes: Iterable[Mapping[str, Any]]) -> list[Block]:
    """The blocks of a plan (its JSON changes), in the order of their first change: what is deleted comes first."""
    groups: dict[tuple[str, str, str], list[tuple[int, Mapping[str, Any]]]] = {}
    for place, change in enumerate(changes):
        groups.setdefault((change["part"], change["kind"], change["tenant"]), []).append((place, change))
    return [
        Block(
            f"{part}/{kind}/{tenant}", part, kind, tenant, _content(change for _, change in found),
            tuple(place for place, _ in found), Counter(change["action"] for _, change in found),
        )
        for (part, kind, tenant), found in groups.items()
    ]  # fmt: skip


def _content(changes: Iterable[Mapping[str, Any]]) -> str:
    # what is made new has no id before it is written: keys of people are given out then
    named = ((c["label"] if c["action"] == "create" else c["id"], c) for c in changes)
    said = [[c["action"], name, c["before_hash"], c["after_hash"], c["in_the_way"]] for name, c in named]
    return hashlib.sha256(orjson.dumps(sorted(said, key=lambda row: (row[1], row[0])))).hexdigest()


class RequestBlocks:
    """Blocks of the plans of requests, as one person sees them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def of(self, request: Request, sight: frozenset[str] | None) -> Sequence[Block]:
        """Those of tenants in sight (None: all); none where there is no plan, or it is not kept any more."""
        if request.plan_digest is None:
            return ()
        try:
            body = self.store.plans.load(request.plan_digest).body
        except NotFound:
            return ()
        return [block for block in blocks_of(body["changes"]) if sight is None or block.tenant in sight]

    def one(self, request: Request, sight: frozenset[str] | None, block: str, content: str | None) -> Block:
        """One of them as it was looked at (`content`; None: as it is now). Raises NotFound and StalePlan."""
        found = self.of(request, sight)
        for one in found:
            if one.id == block:
                if content in (None, one.content):
                    return one
                raise StalePlan(
                    t("This part of the plan is another now than the one you looked at."), t("Look at it again.")
                )
        names = ", ".join(one.id for one in found) or "–"
        raise NotFound(t("There is no part “{block}” in this plan.", block=block), t("Parts: {names}", names=names))

    def shown(self, request: Request, sight: frozenset[str] | None, viewer: str) -> list[Json]:
        """For who looks (key of the actor): see `RequestsClient.blocks`."""
        marks = self.store.requests.marks(request.id, viewer)
        rows = []
        for block in self.of(request, sight):
            mark = marks.get(block.id)
            viewed = mark is not None and mark.content == block.content
            rows.append(
                {
                    "block": block.id,
                    "title": str(title_of(block.said())),
                    "tenant": block.tenant,
                    "part": block.part,
                    "kind": block.kind,
                    "content": block.content,
                    "counts": {name: block.counts.get(name, 0) for name in ("delete", "conflict", "update", "create")},
                    "changes": list(block.changes),
                    "viewed": viewed,
                    "viewed_at": mark.at.isoformat() if viewed and mark else None,
                    "changed_since": mark is not None and not viewed,
                }
            )
        return rows
