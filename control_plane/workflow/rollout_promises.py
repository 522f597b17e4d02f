"""The promises of the tenants in a wave, measured after something was brought: by them a wave is judged as well."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from control_plane.model.ports import Prober, ProbeResult
from control_plane.model.rollout import ItemState
from control_plane.model.scope import parse_scope
from control_plane.model.text import Text, t
from control_plane.workflow.catalogue import Catalogue

#: Kind of the promise that is about one machine and no other.
OF_ONE_MACHINE = "engine"


@dataclass(frozen=True, slots=True)
class Found:
    """One item after a measurement: `ok`, `failed` or `unmeasured`, and why."""

    state: ItemState
    text: Text | None = None
    fault: str | None = None


class Promises:
    """Measures promises as `gasp probes run` does, from where their users are."""

    def __init__(self, catalogue: Catalogue, prober: Prober) -> None:
        self.catalogue = catalogue
        self.prober = prober

    def of_tenants(self, tenants: Collection[str]) -> Sequence[ProbeResult]:
        """One result a promise of these tenants, all at once."""
        return self._run(f"tenant:{code}" for code in tenants)

    def of_subscriptions(self, subscriptions: Collection[str]) -> Sequence[ProbeResult]:
        """One result a promise of these subscriptions (`CODE/OFFERING`)."""
        return self._run(f"subscription:{name}" for name in subscriptions)

    def none_by_nature(self, offering: str) -> bool:
        """Whether an offering promises nothing that could be measured."""
        known = self.catalogue.offerings.get(offering)
        return known is not None and known.probes is None

    def _run(self, scopes: Iterable[str]) -> Sequence[ProbeResult]:
        scope = ",".join(sorted(set(scopes)))
        probes = self.catalogue.probes(parse_scope(scope)) if scope else []
        results = self.prober.run(probes) if probes else []
        codes = {row.code for row in self.catalogue.store.estate.tenants()}
        return [r for r in results if not _silent_neighbour(r, codes)]


def _silent_neighbour(result: ProbeResult, codes: Collection[str]) -> bool:
    """Whether a promise was to be measured from another tenant's workstation (it bears that tenant's code), which is
    off: that says nothing about this tenant."""
    vantage = result.probe.vantage
    return result.state == "unmeasured" and vantage in codes and vantage != result.probe.tenant


def judged(results: Iterable[ProbeResult]) -> Found | None:
    """What promises make of their item: a broken one is an error, one that was not measured no success. None: all
    are kept."""
    worst: Mapping[str, ProbeResult] = {result.state: result for result in results}
    if "failed" in worst:
        broken = worst["failed"]
        text = t("{promise} is not kept: {why}", promise=broken.probe.title, why=broken.text)
        return Found(ItemState.FAILED, text)
    if "unmeasured" in worst:
        unseen = worst["unmeasured"]
        text = t("{promise} was not measured: {why}", promise=unseen.probe.title, why=unseen.text)
        return Found(ItemState.UNMEASURED, text)
    return None
