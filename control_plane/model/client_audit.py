"""What may be asked of the audit trail. Every answer is JSON-able and equals the later REST body."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Literal, Protocol

Json = dict[str, Any]
Filters = Mapping[str, str | None]
ExportForm = Literal["csv", "json"]


class AuditClient(Protocol):
    """Who did what, when, to what, by whose signoff. Filters, all optional and all to be met: `tenant` (a code: the
    tenant that has it now, else those that had it; or an opaque id), `subject` (`run:12`, `freeze:3`, `request:R-…`,
    `person:wang`, `fgw/internet`, a machine, site or resource), `actor` (a name or key), `act` (`freeze.set`, or all of
    `freeze`), `begin` and `end` (a day or a time). Raises Invalid with every fault of them."""

    def list(
        self, filters: Filters | None = None, *, limit: int | None = 200, before: int | None = None
    ) -> builtins.list[Json]:
        """Newest first: [{number, at, act, sentence, actor: {key, name}, roles, signoffs: [{key, name, role, verified}]
        , tenants: [code], subjects: [{kind, value, name}], digest, outcome, reason, requests, detail, hash}]. `before`:
        only entries with smaller numbers."""
        ...

    def trail(
        self, tenant: str, filters: Filters | None = None, *, limit: int | None = 200, before: int | None = None
    ) -> builtins.list[Json]:
        """What was done to one living tenant, as its own people may see it: [{number, at, act, sentence, actor,
        services, requests, outcome, reason}]. Whoever is not of the tenant is `None`, and no other tenant is named."""
        ...

    def export(self, form: ExportForm, filters: Filters | None = None) -> str:
        """Everything that fits, oldest first, as a file: CSV with a byte order mark, or JSON."""
        ...

    def verify(self) -> Json:
        """{ok, entries, head, problems: [{number, fault: changed|missing|unchained|subjects, sentence}]}."""
        ...
