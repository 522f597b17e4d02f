"""Sites and their releases: publish (store, not live), preview, activate, roll back, maintenance.

A site is an entry of `sites` in a subscription's spec; which offering it belongs to does not matter here.
"""

from __future__ import annotations

import copy
import difflib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from control_plane.model.content_check import REMEDY, CheckState, ContentCheck, sentence_of
from control_plane.model.errors import NotFound, Rejected
from control_plane.model.names import to_ascii, to_unicode
from control_plane.model.ports import CheckedArchive, StagedRelease
from control_plane.model.run import Actor
from control_plane.model.site import preview_name
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange, SubscriptionRow
from control_plane.store.holdings import ReleaseRow
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.content_checks import ContentChecks
from control_plane.workflow.journal import OnEvent
from control_plane.workflow.site_space import SiteSpace
from control_plane.workflow.wishes import wish_order

Spec = dict[str, Any]


@dataclass(frozen=True)
class Sites:
    """Acts on single sites. Every act that changes a host is an order like any other."""

    catalogue: Catalogue
    applier: Applier
    store: Store
    space: SiteSpace
    checks: ContentChecks

    def rows(self) -> list[dict[str, Any]]:
        """All sites of operated offerings."""
        rows, stored = [], defaultdict[str, dict[str, ReleaseRow]](dict)
        for row in self.store.releases.list():
            stored[row.site][row.id] = row
        for subscription in self._subscriptions():
            for site in subscription.spec["sites"]:
                main = to_ascii(site["names"]["main"])
                source = site.get("source") or {}
                in_force = subscription.generation == subscription.observed_generation
                state = "maintenance" if site.get("maintenance") else ("live" if in_force else "pending")
                live = stored[main].get(source.get("release", ""))
                if live is not None and live.check.state is CheckState.INFECTED:
                    state = "site-infected"
                rows.append(
                    {
                        "site": main,
                        "name": to_unicode(main),
                        "tenant": subscription.code,
                        "offering": subscription.offering,
                        "title": site["title"]["zh"],
                        "names": [main, *(to_ascii(a) for a in site["names"].get("aliases", ()))],
                        "release": source.get("release") or source.get("kind", "starter"),
                        "preview": site.get("preview"),
                        "releases": len(stored[main]),
                        "state": state,
                        "url": f"https://{main}/",
                    }
                )
        return sorted(rows, key=lambda row: row["site"])

    def infected(self) -> list[str]:
        """Main names of sites in whose live content something was found."""
        if not self.store.content_checks.found():
            return []
        return [row["site"] for row in self.rows() if row["state"] == "site-infected"]

    def publish(self, name: str, archive: Path, note: str, actor: Actor) -> dict[str, Any]:
        """Check an archive and keep it as a release; nothing on any host changes."""
        subscription, index = self.find(name)
        main = to_ascii(subscription.spec["sites"][index]["names"]["main"])
        offering = self.catalogue.offerings[subscription.offering]
        limits = (offering.tiers or {}).get(subscription.tier, {})
        with self.space.contents.releases.take(archive, limits.get("storage_bytes")) as (checked, staged):
            new, deleted = self.keep(subscription, main, checked, staged, note, actor)
        return {
            "release": checked.release_id,
            "site": main,
            "files": checked.files,
            "bytes": checked.bytes,
            "new": new,
            "deleted": deleted,
            "check": self.store.content_checks.of([checked.release_id])[checked.release_id].state.value,
            "warnings": [str(w) for w in checked.warnings],
            "next": f"gasp sites preview {main} {checked.release_id[:8]}",
        }

    def keep(
        self, row: SubscriptionRow, main: str, checked: CheckedArchive, staged: StagedRelease, note: str, actor: Actor,
        *, made_here: bool = False,
    ) -> tuple[bool, list[str]]:  # fmt: skip
        """Keep a checked archive as a release, with what the antivirus engine says of it. See
        `SiteSpace.store_checked`; raises Invalid, too, with the file in which malware was found."""
        said = self.checks.uploaded(checked, staged)
        return self.space.store_checked(
            row, main, checked, staged, note, actor, lambda: self.checks.keep(checked.release_id, said),
            made_here=made_here,
        )  # fmt: skip

    def releases_of(self, name: str) -> list[dict[str, Any]]:
        """What is stored for a site, newest first, with what is live and what is in preview."""
        subscription, index = self.find(name)
        site = subscription.spec["sites"][index]
        live, preview = (site.get("source") or {}).get("release"), site.get("preview")
        return [
            {
                "release": row.id,
                "at": row.at.isoformat(),
                "actor": self.store.actors.name(row.actor_key),
                "note": row.note,
                "files": row.files,
                "bytes": row.bytes,
                "state": "live" if row.id == live else "preview" if row.id == preview else "stored",
                "check": row.check.state.value,
                "check_sentence": _said(row.check),
                "why": row.check.error if row.check.state is CheckState.WAITING else None,
            }
            for row in self.store.releases.list(to_ascii(site["names"]["main"]))
        ]

    def room(self, name: str) -> dict[str, Any]:
        """What a site's department stores and may store, with the rule of what stays and what of it would go now."""
        subscription, index = self.find(name)
        main = to_ascii(subscription.spec["sites"][index]["names"]["main"])
        return {
            "site": main,
            "tenant": subscription.code,
            **self.space.facts(subscription),
            "prunable": [row.id for row in self.space.prunable(subscription, main)],
        }

    def prune(self, name: str, release: str | None, actor: Actor) -> dict[str, Any]:
        """Delete what the rule says, or one release that nothing needs."""
        subscription, index = self.find(name)
        main = to_ascii(subscription.spec["sites"][index]["names"]["main"])
        if release is None:
            gone = self.space.prune(subscription, main, actor)
        else:
            gone = [self.space.drop(subscription, main, release, actor)]
        return {"site": main, "removed": [row.id for row in gone], "octets": sum(row.bytes for row in gone)}

    def preview(
        self, name: str, release: str, actor: Actor, on_event: OnEvent | None, confirm: str | None = None
    ) -> dict[str, Any]:
        """Show a release on the site's preview address, inside only."""
        subscription, index = self.find(name)
        main = to_ascii(subscription.spec["sites"][index]["names"]["main"])
        wanted = self.store.releases.get(release, main).id
        self.checks.demand(wanted)
        run = self._change(subscription, index, {"preview": wanted}, f"preview {wanted[:8]}", actor, on_event, confirm)
        domain = self.catalogue.estate().domain
        intra = f"intra.{domain}"
        zone = intra if main.endswith(f".{intra}") else domain
        return {"site": main, "release": wanted, "run": run, "url": f"https://{preview_name(main, zone, intra)}/"}

    def activate(
        self, name: str, release: str, actor: Actor, on_event: OnEvent | None, confirm: str | None = None
    ) -> dict[str, Any]:
        """Make a release live; the preview of it ends."""
        subscription, index = self.find(name)
        site = subscription.spec["sites"][index]
        main = to_ascii(site["names"]["main"])
        previous = dict(site.get("source") or {"kind": "starter"})
        if release == "starter":
            source = {"kind": "starter"}
        else:
            source = {"kind": "release", "release": self.store.releases.get(release, main).id}
            self.checks.demand(source["release"])
        preview = None if site.get("preview") == source.get("release") else site.get("preview")
        label = (source.get("release") or "starter")[:8]
        change = {"source": source, "preview": preview}
        run = self._change(subscription, index, change, f"activate {label} {main}", actor, on_event, confirm)
        return {
            "site": main,
            "release": source.get("release", "starter"),
            "previous": previous.get("release", "starter"),
            "run": run,
            "url": f"https://{main}/",
        }

    def rollback(self, name: str, actor: Actor, on_event: OnEvent | None, confirm: str | None = None) -> dict[str, Any]:
        """Make the release live that was live before the present one."""
        subscription, index = self.find(name)
        site = subscription.spec["sites"][index]
        main = to_ascii(site["names"]["main"])
        now = site.get("source") or {"kind": "starter"}
        for revision in reversed(self.store.estate.revisions(subscription.id)):
            for old in (revision.spec or {}).get("sites", ()):
                source = old.get("source") or {"kind": "starter"}
                if to_ascii(old["names"]["main"]) == main and source != now:
                    return self.activate(name, source.get("release", "starter"), actor, on_event, confirm)
        raise Rejected(
            t("The site {site} has had one release only.", site=main),
            t("See gasp sites list; publish another release first."),
        )

    def maintenance(
        self, name: str, on: bool, actor: Actor, on_event: OnEvent | None, confirm: str | None = None
    ) -> dict[str, Any]:
        """Answer with a maintenance page, or stop doing so."""
        subscription, index = self.find(name)
        word = "on" if on else "off"
        run = self._change(
            subscription, index, {"maintenance": on}, f"maintenance {word} {name}", actor, on_event, confirm
        )
        return {"site": name, "maintenance": on, "run": run}

    def _change(
        self,
        subscription: SubscriptionRow,
        index: int,
        values: Mapping[str, Any],
        cause: str,
        actor: Actor,
        on_event: OnEvent | None,
        confirm: str | None,
    ) -> int:
        spec: Spec = copy.deepcopy(subscription.spec)
        site = spec["sites"][index]
        for key, value in values.items():
            if value is None or value is False:
                site.pop(key, None)
            else:
                site[key] = value
        change = SubscriptionChange(
            subscription.code, subscription.offering, subscription.tier, spec, subscription.generation
        )
        order = replace(wish_order(self.catalogue, [change], actor, cause, "site"), confirm=confirm)
        return self.applier.apply(order, actor, on_event)

    def _subscriptions(self) -> list[SubscriptionRow]:
        """Those that have sites; one whose stored form is broken is named by every plan, and skipped here."""
        return [s for s in self.store.estate.subscriptions() if isinstance(s.spec.get("sites"), list)]

    def find(self, name: str) -> tuple[SubscriptionRow, int]:
        """The subscription and place of a site by its main name or any alias. Raises NotFound."""
        try:
            wanted = to_ascii(name.removeprefix("https://").removeprefix("http://").strip("/"))
        except ValueError:
            wanted = name
        mains = []
        for subscription in self._subscriptions():
            for index, site in enumerate(subscription.spec["sites"]):
                names = [site["names"]["main"], *site["names"].get("aliases", ())]
                mains.append(names[0])
                if wanted in {to_ascii(n) for n in names}:
                    return subscription, index
        near = difflib.get_close_matches(name, mains, 1)
        raise NotFound(
            t("There is no site “{name}”.", name=name),
            t("Did you mean {near}?", near=near[0]) if near else t("See gasp sites list."),
        )


def _said(check: ContentCheck) -> str:
    """What is known of a release, and what helps where something was found."""
    said = str(sentence_of(check, check.name))
    return f"{said} {REMEDY}" if check.state is CheckState.INFECTED else said
