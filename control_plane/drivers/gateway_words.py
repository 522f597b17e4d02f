"""Sentences for what the agent on the gateway says in codes, beside those of `host_words`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control_plane.drivers import host_words
from control_plane.model.text import Text, t

WORDS: Mapping[str, Text] = {
    "bad-attribute": t("{path} of this tenant cannot be used: {detail}."),
    "management": t(
        "{path} belongs to the gateway itself ({detail}). A tenant's rules must never reach its management; "
        "correct the tenant's network."
    ),
    "no-table": t("The gateway {host} has no table inet gw: {detail}. Run make up first."),
    "tool-failed": t("{path} failed on host {host}: {detail}"),
    "no-category": t("The gateway {host} was not told what is in the category “{path}”. Make the plan again."),
    "nft-refused": t("nftables on host {host} refused it: {detail}"),
    "squid-refused": t("Squid on host {host} refused it: {detail}"),
    "foreign-fault": t(
        "Squid on host {host} refuses the configuration even without this plan: {detail} ({path}). "
        "Nothing was changed; mend that file first."
    ),
    "not-included": t(
        "squid.conf on host {host} does not read the tenants' rules, so nothing can be checked. Run make up."
    ),
    "reload-failed": t(
        "Squid on host {host} did not take over the new configuration: {detail}. Apply again to finish."
    ),
}


def sentence(answer: Mapping[str, Any], host: str) -> Text:
    """The sentence for an agent's answer with `code`, `path` and `detail`."""
    word = WORDS.get(answer["code"])
    if word is None:
        return host_words.sentence(answer, host)
    detail = str(answer.get("detail") or answer["code"]).rstrip(".")
    return Text(word.msgid, {"host": host, "path": answer.get("path", ""), "detail": detail})
