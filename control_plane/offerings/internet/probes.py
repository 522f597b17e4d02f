"""What is promised of internet access, measured on the department's own workstation; four promises a tenant."""

from __future__ import annotations

from typing import Any

from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.ports import Probe
from control_plane.model.text import Text, t
from control_plane.offerings.internet.form import InternetAccess
from control_plane.offerings.internet.pac import proxy_address
from control_plane.offerings.internet.resources import agreed_peers, proxy_policy
from control_plane.offerings.internet.rules import check_host, verdict
from control_plane.offerings.vantage import stranger_to, workstation_of

#: Any port will do: what is asked is who answers, the gateway or the neighbour.
NEIGHBOUR_PORT = 9


def probes(subscription: SubscriptionView, estate: EstateView) -> list[Probe]:
    """The way out (open, or shut when access is off), a refusal that is explained, the neighbour, the why page."""
    code = subscription.tenant.code
    vantage = workstation_of(code, estate)
    if vantage is None or not estate.hosts.get("gateway"):
        return []
    spec: InternetAccess = subscription.spec
    proxy = f"http://{proxy_address(estate)}"
    refused = {"url": f"http://{check_host(estate.domain)}/", "proxy": proxy}
    why = {"url": f"http://why.intra.{estate.domain}/", "family": 4, "status": 200}

    def promise(what: str, kind: str, title: Text, words: dict[str, Any]) -> Probe:
        return Probe(f"{subscription.id}/{what}", kind, vantage, code, subscription.offering, title, words)

    found = [promise("why", "http", t("The page that explains refusals answers"), why)]
    if spec.enabled:
        found.append(promise("refused", "http_refused", t("What is blocked is refused and explained"), refused))
    found += [
        promise(what, kind, title, {**words, "proxy": proxy})
        for what, kind, title, words in _way_out(subscription, estate)
    ]
    apart = frozenset(agreed_peers(subscription, estate)[0])
    neighbour = stranger_to(code, apart, estate)
    if neighbour is not None and (index := estate.tenants[neighbour].network_index) is not None:
        segment = estate.plan.tenant(index)
        addresses = [str(segment.host_v4(10)), str(segment.host_v6(10))]
        title = t("The network of {tenant} cannot be reached", tenant=neighbour)
        found.append(promise("neighbour", "unreachable", title, {"addresses": addresses, "port": NEIGHBOUR_PORT}))
    return sorted(found, key=lambda probe: probe.id)


def _way_out(subscription: SubscriptionView, estate: EstateView) -> list[tuple[str, str, Text, dict[str, Any]]]:
    """One promise about a host outside, if the centre has one to measure with and no hours decide about it."""
    outside = estate.hosts.get("citizen", ())
    if not outside:
        return []
    host = outside[0].ipv4
    said = verdict(proxy_policy(subscription, estate), host)
    if any(not rule.startswith("centre-") for rule in said.depends):
        return []
    spec: InternetAccess = subscription.spec
    url = f"http://{host}/"
    if said.action == "allow":
        title = t("The internet can be reached by the proxy")
        return [("open", "http", title, {"url": url, "family": 4, "status": 200})]
    if not spec.enabled:
        return [("shut", "http_refused", t("Internet access is off"), {"url": url, "or_reset": True})]
    return [("shut", "http_refused", t("A host outside that no rule allows is refused"), {"url": url})]
