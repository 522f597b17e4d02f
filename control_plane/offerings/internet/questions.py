"""How internet access is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from control_plane.model.questions import Ask, Item, Page, Questions, Several
from control_plane.model.text import t
from control_plane.offerings.internet.centre import GIB, TIERS

_ALLOW = {"allow": t("allowed"), "block": t("blocked")}
_DAYS = {
    "MTWHFAS": t("every day"),
    "MTWHF": t("Monday to Friday"),
    "AS": t("Saturday and Sunday"),
}


def _next_rule(rules: Sequence[Item], today: date) -> dict[str, Any]:
    used = [rule["number"] for rule in rules if isinstance(rule.get("number"), int)]
    return {"number": min((max(used, default=0) // 10 + 1) * 10, 9999), "since": today.isoformat()}


QUESTIONS = Questions(
    summary=t("The supervised way out to the internet for your department's machines."),
    gets=(
        t("Access for every machine of your network, with the centre's protection against harmful sites"),
        t("Rules of your own: what is open, what is closed, and when"),
        t("A page that says why something is closed, and whom to ask"),
    ),
    ready=(
        t("Whom your people ask when something they need is closed"),
        t("Sites that shall be open or closed, with the reason"),
        t("Programs that cannot use a proxy: where they connect to, and the port"),
    ),
    tiers={
        tier: t(
            "{mbit} Mbit/s both ways, {gib} GiB a month; slower beyond, never cut",
            mbit=limits["up_kbit"] // 1000,
            gib=limits["month_octets"] // GIB,
        )
        for tier, limits in TIERS.items()
    },
    parts=(
        Page(
            "access",
            t("What is open?"),
            (
                Ask("enabled", t("Internet access"), None, choices={"true": t("on"), "false": t("off")}),
                Ask(
                    "otherwise",
                    t("Sites that no rule names"),
                    t("What the centre closes for everybody stays closed."),
                    choices=_ALLOW,
                ),
            ),
        ),
        Several(
            "rules",
            t("Rules of your own"),
            t("rule"),
            t("Add a rule"),
            t("No rules of your own; only those of the centre apply."),
            "reason.zh",
            (
                Page(
                    "rule",
                    t("What does the rule say?"),
                    (
                        Ask("action", t("What it names is"), None, choices=_ALLOW),
                        Ask(
                            "hosts",
                            t("Sites"),
                            t("One on each line: a name, “.example.test” with everything below it, or an address."),
                            "games.example.test",
                            long=True,
                            code=True,
                        ),
                        Ask(
                            "category",
                            t("Or a kind of site"),
                            t("Either sites or a kind, not both."),
                            choices={
                                "video": t("video"),
                                "malware": t("harmful"),
                                "gambling": t("gambling"),
                                "adult": t("adult"),
                            },
                        ),
                        Ask("reason.zh", t("Reason in Chinese"), t("Shown to whom the rule stops."), "与工作无关"),
                        Ask("reason.en", t("Reason in English"), None, "Not needed for work"),
                    ),
                ),
                Page(
                    "hours",
                    t("When does it apply?"),
                    (
                        Ask("hours.days", t("Days"), t("Leave all three empty for always."), choices=_DAYS),
                        Ask("hours.begin", t("Begins at"), None, "12:00", code=True),
                        Ask("hours.end", t("Ends at"), None, "13:30", code=True),
                        Ask("number", t("Place in the order"), t("Rules are tried from the lowest number on."), "10"),
                        Ask("since", t("In force since"), None, "2026-11-20"),
                    ),
                ),
            ),
            _next_rule,
            gather="hosts",
            counted=("number", "since"),
        ),
        Several(
            "direct",
            t("Programs that cannot use the proxy"),
            t("direct way"),
            t("Add a direct way"),
            t("No direct ways: everything goes through the proxy."),
            "reason",
            (
                Page(
                    "way",
                    t("Where does the program connect to?"),
                    (
                        Ask("to", t("Hosts"), t("Single hosts or addresses."), "time.example.test", code=True),
                        Ask("protocol", t("Protocol"), None, choices={"tcp": t("TCP"), "udp": t("UDP")}),
                        Ask("ports", t("Ports"), t("One, or a range."), "443", code=True),
                        Ask(
                            "source", t("From which address"), t("Empty: your whole network."), "10.64.1.10", code=True
                        ),
                        Ask("reason", t("What for"), None, "时钟同步"),
                    ),
                ),
            ),
        ),
        Page(
            "peers",
            t("Which departments shall be connected with yours?"),
            (
                Ask(
                    "peers",
                    t("Codes of departments"),
                    t("It works once both have named each other. Usually there are none."),
                    "czj",
                    code=True,
                ),
            ),
        ),
        Page(
            "contact",
            t("Whom do your people ask?"),
            (
                Ask("contact.name", t("Name"), t("A person or an office."), "示例局信息科"),
                Ask("contact.phone", t("Telephone"), None, "0532-5550-0001"),
                Ask("contact.email", t("E-mail"), None, "it@example.test"),
            ),
            t("They stand on the page that says why something is closed."),
        ),
        Page(
            "limits",
            t("Less than the tier gives?"),
            (
                Ask("limits.up_kbit", t("Up, kbit/s"), None, "5000"),
                Ask("limits.down_kbit", t("Down, kbit/s"), None, "5000"),
                Ask("limits.month_mib", t("A month, MiB"), None, "20480"),
            ),
            t("Leave everything empty to have all of it."),
        ),
    ),
)
