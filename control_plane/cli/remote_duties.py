"""What the centre decides, at a control plane elsewhere: the table of classes, substitutes, emergencies, the rules of
internet access, programs that are told, one's own tokens, a former day of a tenant.

What would answer with a secret is not here: a token or a webhook is made where somebody has signed in.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from control_plane.cli.remote_link import Area, Json, at
from control_plane.cli.remote_runs import Followed
from control_plane.model.errors import Rejected
from control_plane.model.text import t


class Tokens(Area):
    """See `TokensClient`: one's own."""

    def list(self, *, person: str | None = None, ended: bool = False) -> builtins.list[Json]:
        """See `TokensClient.list`."""
        if person is not None:
            raise Rejected(t("From elsewhere your own tokens are listed, nobody else's."), t("Leave out --person."))
        return self._at.rows("/tokens", ended="true" if ended else None)

    def revoke(self, token: int, *, reason: str = "") -> Json:
        """See `TokensClient.revoke`."""
        return self._at.act(at("/tokens/{}/ends", token), {"reason": reason})


class Webhooks(Area):
    """See `WebhooksClient`."""

    def list(self, *, ended: bool = False) -> builtins.list[Json]:
        """See `WebhooksClient.list`."""
        return self._at.rows("/webhooks", ended="true" if ended else None)

    def end(self, webhook: int) -> Json:
        """See `WebhooksClient.end`."""
        return self._at.act(at("/webhooks/{}/ends", webhook))

    def deliveries(
        self, webhook: int | None = None, *, state: str | None = None, limit: int = 200
    ) -> builtins.list[Json]:
        """See `WebhooksClient.deliveries`."""
        return self._at.rows("/webhook-deliveries", limit, webhook=webhook, state=state)

    def resend(self, delivery: int) -> Json:
        """See `WebhooksClient.resend`."""
        return self._at.act(at("/webhook-deliveries/{}/resends", delivery))


class Restores(Area):
    """See `RestoresClient`."""

    def plan(self, tenant: str, *, to: str, what: Sequence[str] = ()) -> Json:
        """See `RestoresClient.plan`."""
        return self._at.act(at("/tenants/{}/restores", tenant), {"to": to, "what": [*what]})


class Policies(Area):
    """See `PoliciesClient`."""

    def list(self) -> builtins.list[Json]:
        """See `PoliciesClient.list`."""
        return self._at.rows("/internet-policies")

    def show(self, number: int | None = None) -> Json:
        """See `PoliciesClient.show`."""
        if number is None:
            number = self._at.rows("/internet-policies", 1)[0]["number"]
        return self._at.get(at("/internet-policies/{}", number))

    def preview(self, policy: Any, *, based_on: int | None = None) -> Json:
        """See `PoliciesClient.preview`; the interface asks for a reason there too, and keeps none."""
        return self._at.rehearse("/internet-policies", {"policy": policy, "reason": "-", "based_on": based_on})

    def add(self, policy: Any, *, reason: str, based_on: int | None = None) -> Json:
        """See `PoliciesClient.add`."""
        return self._at.act("/internet-policies", {"policy": policy, "reason": reason, "based_on": based_on})


class Substitutes(Area):
    """See `SubstitutesClient`."""

    def staffing(self) -> builtins.list[Json]:
        """See `SubstitutesClient.staffing`."""
        return list(self._at.get("/status")["staffing"])

    def list(self, *, ended: bool = False) -> builtins.list[Json]:
        """See `SubstitutesClient.list`."""
        return self._at.rows("/substitutions", everything="true" if ended else None)

    def name(self, person: str, role: str, **more: Any) -> Json:
        """See `SubstitutesClient.name`."""
        return self._at.act("/substitutions", {"person": person, "role": role, **more})

    def end(self, substitution: int, *, reason: str) -> Json:
        """See `SubstitutesClient.end`."""
        return self._at.act(at("/substitutions/{}/ends", substitution), {"reason": reason})


class Emergencies(Area):
    """See `EmergenciesClient`."""

    def list(self, *, everything: bool = False) -> builtins.list[Json]:
        """See `EmergenciesClient.list`."""
        return self._at.rows("/emergencies", everything="true" if everything else None)

    def apply(self, request: int | str, *, digest: str, reason: str) -> Json:
        """See `EmergenciesClient.apply`; the worker there does it."""
        job = self._at.act(at("/requests/{}/emergencies", request), {"digest": digest, "reason": reason})
        made = Followed(self._at).answer(job)["emergency"]
        return next(row for row in self.list(everything=True) if row["id"] == made)

    def review(self, emergency: int, *, text: str) -> Json:
        """See `EmergenciesClient.review`."""
        return self._at.act(at("/emergencies/{}/reviews", emergency), {"text": text})


class Classes(Area):
    """See `ClassesClient`."""

    def show(self) -> Json:
        """See `ClassesClient.show`."""
        return self._at.get("/classes")

    def history(self) -> builtins.list[Json]:
        """See `ClassesClient.history`."""
        return self._at.rows("/class-tables")

    def propose(self, table: Any, *, reason: str) -> Json:
        """See `ClassesClient.propose`."""
        return self._at.act("/classes", {"table": table, "reason": reason})

    def sign(self, number: int, *, digest: str, reason: str = "") -> Json:
        """See `ClassesClient.sign`: the token's owner signs, and is known."""
        return self._at.act(at("/classes/{}/signoffs", number), {"digest": digest})

    def refuse(self, number: int, *, reason: str) -> Json:
        """See `ClassesClient.refuse`."""
        return self._at.act(at("/classes/{}/refusals", number), {"reason": reason})
