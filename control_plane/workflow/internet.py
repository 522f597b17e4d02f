"""Internet access of tenants: what is in force and used, the real path of one URL, the hand-over sheet, a change.

Knows the offering by `InternetRules` only. A volume that could not be measured is None, never 0.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.client_internet import InternetRules, PathTester, RefusalReader, SheetFormat, UsageReader, Wish
from control_plane.model.errors import CouldNotMeasureError, Invalid, NotFound, Problem, Rejected, TemporaryError
from control_plane.model.internet import Hours
from control_plane.model.internet_words import hours_words
from control_plane.model.names import to_ascii, to_unicode
from control_plane.model.nearest import no_tenant
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.run import Actor, Event
from control_plane.model.scope import parse_scope
from control_plane.model.text import Text, t
from control_plane.model.volume import month_end
from control_plane.model.windows import ZONE
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.audit import outside
from control_plane.workflow.catalogue import Catalogue, World
from control_plane.workflow.wishes import wish_order

Json = dict[str, Any]
OFFERING = "internet"
#: An answer of the site itself, whatever it says; beyond that the server has a fault.
SITE_ANSWERS = range(100, 500)
REFUSED = 403


@dataclass(frozen=True)
class Internet:
    """Implements `client_internet.InternetClient`."""

    catalogue: Catalogue
    applier: Applier
    store: Store
    rules: InternetRules
    usage: UsageReader
    refused: RefusalReader
    tester: PathTester
    hosts: Callable[[], list[Json]]
    clock: Callable[[], datetime]
    actor: Callable[[], Actor]

    # looking ------------------------------------------------------------------------------------------------
    def list(self) -> list[Json]:
        """See `InternetClient.list`."""
        world = self._world()
        views = [v for v in world.subscriptions.values() if v.offering == OFFERING]
        used = self._usage()
        return sorted((self._row(v, world.estate, used) for v in views), key=lambda row: row["tenant"])

    def show(self, tenant: str) -> Json:
        """See `InternetClient.show`."""
        view, estate = self._find(tenant)
        network, proxy = self.rules.network_policy(view, estate), self.rules.proxy_policy(view, estate)
        agreed, waiting = self.rules.agreed_peers(view, estate)
        return {
            **self._row(view, estate, self._usage()),
            "name_zh": proxy["name_zh"],
            "name_en": proxy["name_en"],
            "v4": network["v4"],
            "v6": network["v6"],
            "rates": {key: network[key] for key in ("up_kbit", "down_kbit", "throttle_kbit")},
            "otherwise": proxy["otherwise"],
            "rules": [dict(rule) for rule in proxy["rules"]],
            "direct": [dict(row) for row in network["direct"]],
            "warn_percent": network["warn_percent"],
            "peers": [
                {"tenant": code, "agreed": code in agreed} for code in sorted([*agreed, *waiting])
            ],
            "contact": dict(proxy["contact"]),
            **self.rules.addresses(estate),
            "notes": [p.as_json() for p in self.rules.check(view, estate)],
        }  # fmt: skip

    def pac(self, tenant: str) -> str:
        """See `InternetClient.pac`."""
        view, estate = self._find(tenant)
        return self.rules.proxy_policy(view, estate)["pac"]

    def sheet(self, tenant: str, form: SheetFormat) -> bytes:
        """See `InternetClient.sheet`."""
        view, estate = self._find(tenant)
        return self.rules.sheet(view, estate, self._today(), form)

    def refusals(self, tenant: str) -> builtins.list[Json]:
        """See `InternetClient.refusals`."""
        view, estate = self._find(tenant)
        spec, last = self._spec(tenant), self.rules.later(view, estate)
        try:
            rows = self.refused(tenant)
        except TemporaryError as error:
            raise CouldNotMeasureError(error.text, error.hint) from error
        return [
            {
                **row,
                "reason": f"{row['reason_zh']} · {row['reason_en']}",
                "opens": self._opens(spec, view.tenant.code, row, last),
            }
            for row in rows
        ]

    def _opens(self, spec: Mapping[str, Any], code: str, row: Mapping[str, Any], last: Collection[str]) -> bool:
        try:
            return self.rules.opening(spec, code, row["host"], row["rule"], self._today(), last) is not None
        except Invalid:
            return False

    def excepted(self, tenant: str, host: str, rule: str, spec: Mapping[str, Any] | None = None) -> Json:
        """See `InternetClient.excepted`."""
        last = self.rules.later(*self._find(tenant))
        form = spec if spec is not None else self._spec(tenant)
        made = self.rules.opening(form, tenant, host, rule, self._today(), last)
        if made is None:
            raise Rejected(
                t("Rule {rule} is the centre's and comes before all of yours.", rule=rule),
                t("If {host} is no such site, tell the centre; it corrects its list.", host=host),
            )
        return made

    def _spec(self, tenant: str) -> Mapping[str, Any]:
        row = self.store.estate.subscription(f"{tenant}/{OFFERING}")
        return row.spec if row is not None else {}

    def _today(self) -> str:
        return self.clock().astimezone(ZONE).date().isoformat()

    def _usage(self) -> Mapping[str, Mapping[str, Any]] | None:
        try:
            return self.usage()
        except TemporaryError:
            return None

    def _row(
        self, view: SubscriptionView, estate: EstateView, used: Mapping[str, Mapping[str, Any]] | None
    ) -> Json:  # fmt: skip
        network, code = self.rules.network_policy(view, estate), view.tenant.code
        row = (used or {}).get(code)
        octets = None if row is None else int(row["up"]) + int(row["down"])
        state = "unmeasured" if row is None else "on"
        slowed = row is not None and row.get("slowed", row.get("throttled"))  # an older gateway tells the marks alone
        if not network["enabled"]:
            state = "off"
        elif row is not None and (slowed or row.get("warned")):
            state = "throttled" if slowed else "warned"
        return {
            "tenant": code,
            "name": view.tenant.names.zh,
            "name_en": view.tenant.names.en,
            "enabled": network["enabled"],
            "tier": view.tier,
            "policy": self._policy(view, estate),
            "state": state,
            "used_octets": octets,
            "month_octets": network["month_octets"],
            "used_percent": None
            if octets is None or not network["month_octets"]
            else round(100 * octets / network["month_octets"], 1),
            "warned_at": row and row.get("warned"),
            "throttled_at": row and row.get("throttled"),
            "until": row and month_end(row["month"]).isoformat(),
            "rules": len(view.spec.rules),
            "direct": len(network["direct"]),
            "peers": [peer["tenant"] for peer in network["peers"]],
        }

    @staticmethod
    def _policy(view: SubscriptionView, estate: EstateView) -> int:
        """Which revision of the centre's policy it has."""
        found = estate.policies.get(view.id)
        return found.number if found is not None else 0

    def _world(self, tenants: frozenset[str] | None = None) -> World:
        """What is wished of the systems of internet access; nothing else is computed."""
        systems = self.catalogue.offerings[OFFERING].systems
        return self.catalogue.world(tenants=tenants, systems=frozenset(systems) if systems else None)

    def _find(self, tenant: str) -> tuple[SubscriptionView, EstateView]:
        """A tenant's access. Raises NotFound for an unknown tenant or one without, Rejected for a broken form."""
        world = self._world(frozenset([tenant]))
        if tenant not in world.estate.tenants:
            raise no_tenant(tenant, world.estate.tenants)
        name = f"{tenant}/{OFFERING}"
        if name in world.broken:
            raise Rejected(
                t("The internet access of {code} cannot be read: {reason}", code=tenant, reason=world.broken[name]),
                t("Correct its document and import it again."),
            )
        if name not in world.subscriptions:
            raise NotFound(
                t("{code} has no internet access.", code=tenant),
                t("Add the offering internet to its document; see gasp tenants show {code}.", code=tenant),
            )
        return world.subscriptions[name], world.estate

    # the real path --------------------------------------------------------------------------------------------
    def test(self, tenant: str, url: str, *, host: str | None = None) -> Json:
        """See `InternetClient.test`."""
        view, estate = self._find(tenant)
        address = checked_url(url)
        machine = self._machine(tenant, host)
        expected = self.rules.expect(view, estate, address)
        where = self.rules.addresses(estate)
        proxy = where["proxy"] if expected["way"] == "proxy" else None
        about, to = [Subject("host", machine)], {"to": urlsplit(address).hostname}
        with outside(self.store, AuditAct.INTERNET_TESTED, self.actor(), about, tenants=[tenant], detail=to) as became:
            seen = self.tester.ask(machine, address, proxy, where["why_url"])
            became["status"] = seen["status"]
        answer: Json = {
            "tenant": tenant,
            "host": machine,
            "url": address,
            "way": expected["way"],
            "proxy": proxy,
            "addresses": seen["addresses"],
            "remote": seen["remote"],
            "status": seen["status"],
            "seconds": seen["seconds"],
            "title": seen["title"],
            "expected_rule": expected["rule"],
            "policy": self._policy(view, estate),
            **dict.fromkeys(("rule", "owner", "since", "reason_zh", "reason_en")),
        }
        rules, last = self.rules.proxy_policy(view, estate)["rules"], self.rules.later(view, estate)
        hours = {str(rule["id"]): rule["hours"] for rule in rules if rule["hours"] is not None}
        return answer | _judged(view, estate, seen, answer, where["why_url"], hours, last)

    def _machine(self, tenant: str, host: str | None) -> str:
        own = sorted(row["name"] for row in self.hosts() if row["tenant"] == tenant)
        if not own:
            raise NotFound(
                t("{code} has no machine to ask from.", code=tenant), t("See gasp hosts list --filter tenant={code}.",
                                                                        code=tenant)
            )  # fmt: skip
        if host is not None and host not in own:
            raise NotFound(
                t("{host} is no machine of {code}.", host=host, code=tenant),
                t("Use one of {names}.", names=", ".join(own)),
            )
        return host or (tenant if tenant in own else own[0])

    # a change -------------------------------------------------------------------------------------------------
    def preview(self, tenant: str, wish: Wish) -> Json:
        """See `InternetClient.preview`."""
        plan, planner = self.applier.rehearse(self._order(tenant, wish)), self.applier.planner
        return {**plan.as_json(), "guards": [guard.as_json() for guard in planner.guards(plan)]}

    def _order(self, tenant: str, wish: Wish) -> Order:
        self._find(tenant)
        rows = {row.code: row for row in self.store.estate.subscriptions(offering=OFFERING)}
        row = rows[tenant]
        spec = self.rules.changed(row.spec, wish, self._today())
        change = SubscriptionChange(tenant, OFFERING, row.tier, spec, row.generation)
        order = wish_order(self.catalogue, [change], self.actor(), f"internet {tenant}", "internet")
        # Who is connected with this tenant has rules about it of its own.
        others = {f"{code}/{OFFERING}" for code in spec.get("peers", ()) if code in rows}
        scope = ",".join(sorted({*order.scope.split(","), *(f"subscription:{name}" for name in others)}))
        return replace(order, scope=str(parse_scope(scope)))

    def change(self, tenant: str, wish: Wish, *, confirm: str | None = None, on_event: Any = None) -> Json:
        """See `InternetClient.change`."""
        order = replace(self._order(tenant, wish), confirm=confirm)

        def told(event: Event) -> None:
            on_event(event.as_json())

        run = self.applier.apply(order, self.actor(), told if on_event else None)
        view, estate = self._find(tenant)
        notes: list[Problem] = self.rules.check(view, estate)
        return {
            "tenant": tenant,
            "enabled": view.spec.enabled,
            "rules": len(view.spec.rules),
            "notes": [p.as_json() for p in notes],
            "run": run,
        }


def checked_url(url: str) -> str:
    """A web address that can be asked for, with its host as an A-label. Raises Rejected."""
    remedy = t("Write it like https://www.example.test/page.")
    text = url if "://" in url else f"http://{url}"
    if any(not c.isprintable() or c.isspace() for c in text) or len(text) > 2000:
        raise Rejected(
            t("This is no web address: it holds blanks or signs that cannot be seen, or is too long."), remedy
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Rejected(t("“{url}” is no web address: {reason}.", url=url, reason=error), remedy) from None
    if parts.scheme not in ("http", "https"):
        raise Rejected(t("“{scheme}” cannot be tested, only http and https.", scheme=parts.scheme), remedy)
    if parts.username is not None or parts.password is not None:
        raise Rejected(t("The address carries a name or password; it would be sent and shown."), remedy)
    if not host:
        raise Rejected(t("“{url}” names no host.", url=url), remedy)
    if port == 0:
        raise Rejected(t("“{url}” is no web address: there is no port 0.", url=url), remedy)
    if ":" not in host:
        try:
            host = to_ascii(host) if not host.replace(".", "").isdigit() else str(ip_address(host))
        except ValueError as error:
            raise Rejected(t("“{url}” is no web address: {reason}.", url=url, reason=error), remedy) from None
    door = f"[{host}]" if ":" in host else host
    path = parts.path or "/"
    rest = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{door}{f':{port}' if port else ''}{path}{rest}"


def _judged(
    view: SubscriptionView, estate: EstateView, seen: Mapping[str, Any], answer: Json, why_url: str,
    hours: Mapping[str, Hours], last: Collection[str],
) -> Json:  # fmt: skip
    """Whether it can be reached, what its reader sees, and what it would need. `hours`: rules that apply at times only;
    `last`: the centre's rules that come after the tenant's."""
    host = to_unicode(urlsplit(answer["url"]).hostname or "")
    by_proxy, said = answer["way"] == "proxy", seen["proxy_said"] or ""
    refusal, encrypted = seen["refusal"], answer["url"].startswith("https:")
    told = (seen["connect_status"] if encrypted and by_proxy else seen["status"]) == REFUSED
    ours = said.startswith(("ERR_GASP", "ERR_ACCESS_DENIED"))
    if by_proxy and (ours or (told and (refusal is not None or encrypted))):
        found = {key: refusal[key] for key in ("rule", "owner", "since", "reason_zh", "reason_en")} if refusal else {}
        sees = (
            t("The browser's own error; {url} explains it.", url=why_url)
            if encrypted
            else t("The page that explains the refusal.")
        )
        needs = _needs(view, found, hours, last)
        return {**found, "reachable": False, "verdict": "blocked", "sees": str(sees), "needs": str(needs)}
    if not view.spec.enabled and by_proxy and seen["error"]:
        needs = t("Switch it on: gasp internet set {code} --on", code=view.tenant.code)
        return {
            "reachable": False,
            "verdict": "off",
            "sees": str(t("No connection to the proxy.")),
            "needs": str(needs),
        }
    if seen["error"] or (by_proxy and said):
        return _unreached(view, estate, seen, said, host, by_proxy)
    if seen["status"] not in SITE_ANSWERS:
        sees = t("Status {status} from the site.", status=seen["status"])
        return {"reachable": False, "verdict": "site-fault", "sees": str(sees),
                "needs": str(t("The site itself has a fault; its operator must mend it."))}  # fmt: skip
    title = seen["title"]
    shown = t("The page “{title}”, status {status}.", title=title, status=seen["status"])
    sees = shown if title else t("The page, status {status}.", status=seen["status"])
    return {"reachable": True, "verdict": "open", "sees": str(sees), "needs": None}


def _unreached(
    view: SubscriptionView, estate: EstateView, seen: Mapping[str, Any], said: str, host: str, by_proxy: bool
) -> Json:  # fmt: skip
    code = said.split(" ")[0]
    if code == "ERR_DNS_FAIL" or not seen["addresses"]:
        sees, needs = (
            t("There is no such name: {host}.", host=host),
            t("Check the spelling; the centre's name servers do not know it."),
        )
    elif by_proxy and not said and not seen["connect_status"] and not seen["status"]:
        sees, needs = (
            t("No connection to the proxy: {reason}.", reason=seen["error"]),
            t("See gasp probes run for the gateway."),
        )
    elif not by_proxy and (other := _network_of(view, estate, seen["addresses"])) is not None:
        sees, needs = (
            t("No connection: {reason}.", reason=seen["error"] or code),
            t("It is in the network of {tenant}; departments reach each other only when both list the other.",
              tenant=other),
        )  # fmt: skip
    elif not by_proxy and any(_inside(estate, address) for address in seen["addresses"]):
        sees, needs = (
            t("No connection: {reason}.", reason=seen["error"] or code),
            t("It is inside: only what the centre offers to departments is open there, or the host does not answer."),
        )
    else:
        sees, needs = (
            t("No connection: {reason}.", reason=seen["error"] or code),
            t("No rule stands in the way; the site does not answer, or not on this port."),
        )
    return {"reachable": False, "verdict": "no-answer", "sees": str(sees), "needs": str(needs)}


def _inside(estate: EstateView, address: str) -> bool:
    found = ip_address(address)
    return any(found.version == network.version and found in network for network in (estate.plan.v4, estate.plan.v6))


def _network_of(view: SubscriptionView, estate: EstateView, addresses: Collection[str]) -> str | None:
    """The code of another tenant in whose network one of these addresses lies."""
    found = [ip_address(address) for address in addresses]
    for code, tenant in estate.tenants.items():
        if code != view.tenant.code and tenant.network_index is not None:
            networks = [ip_network(network) for network in estate.tenant_networks(code)]
            if any(one.version == network.version and one in network for one in found for network in networks):
                return code
    return None


def _needs(
    view: SubscriptionView, refusal: Mapping[str, Any], hours: Mapping[str, Hours], last: Collection[str]
) -> Text:
    code, rule = view.tenant.code, refusal.get("rule") or ""
    if rule.startswith(f"{code}-") and rule.removeprefix(f"{code}-").isdigit():
        return t("A change of the tenant's rule {rule}: gasp internet set {code} --remove HOST.", rule=rule, code=code)
    if rule in hours:
        words = hours_words(hours[rule])
        if rule in last:
            return t("Time outside {hours}, or a rule of the tenant that allows it.", hours=words)
        return t("Time outside {hours}, or an exception by the centre: rule {rule}.", hours=words, rule=rule)
    if rule.endswith("otherwise") or rule in last:
        return t("A rule that allows it: gasp internet set {code} --allow HOST --reason TEXT.", code=code)
    return t("An exception by the centre: rule {rule}.", rule=rule or "–")
