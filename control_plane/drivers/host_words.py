"""Sentences for what the agent on a host says in codes. One code, one sentence; nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control_plane.model.text import Text, t

WORDS: Mapping[str, Text] = {
    "not-ready": t("Host {host} was never prepared: {path} is not there. Run make up first."),
    "manifest-lost": t(
        "The list of what we manage on host {host} is gone ({path}). Put it back from a backup before any plan."
    ),
    "manifest-garbled": t(
        "The list of what we manage on host {host} cannot be read ({path}: {detail}). Put it back from a backup."
    ),
    "journal-garbled": t("The record of an interrupted change on host {host} cannot be read ({path}: {detail})."),
    "busy": t("Another apply is at work on host {host}; try again when it has ended."),
    "cut-off": t("The connection to host {host} broke before everything was sent; nothing was changed."),
    "moved": t("It changed since the plan was made: {detail}. Plan again."),
    "exists": t("It exists by now, and is not as planned: {detail}. Plan again."),
    "foreign": t("{path} on host {host} is not ours. Move it away, or take it over, and plan again."),
    "link-in-the-way": t(
        "{path} on host {host} is no folder of ours but a link or somebody else's; it is not followed."
    ),
    "folder-in-the-way": t("{path} on host {host} is a folder where a file belongs. Move it away and apply again."),
    "name-too-long": t("The name {path} has more than {detail} octets and gives no file name. Choose a shorter one."),
    "bad-name": t("{path} cannot be a name of a file or folder on host {host}."),
    "bad-archive": t("The archive of this release was refused by host {host}: {path} {detail}"),
    "release-absent": t("Release {detail} is not on host {host} any more. Plan again, and it will be sent."),
    "release-changed": t(
        "The kept copy {path} on host {host} was changed by hand. Apply again, and it will be sent anew."
    ),
    "content-missing": t("The site's content could not be put in place, so its names are not served yet ({path})."),
    "nginx-refused": t("nginx on host {host} refused it: {detail}"),
    "foreign-fault": t(
        "nginx on host {host} refuses the configuration even without this plan: {detail} ({path}). "
        "Nothing was changed; mend that file first."
    ),
    "not-included": t(
        "nginx.conf on host {host} does not read {path} relative to itself, so nothing can be checked. Run make up."
    ),
    "reload-failed": t(
        "nginx on host {host} did not take over the new configuration: {detail}. Apply again to finish."
    ),
    "no-space": t(
        "The disk of host {host} is full. What was live is untouched or complete; free space and apply again."
    ),
    "os-error": t("Host {host} could not write or read {path}: {detail}"),
    "internal": t("The agent on host {host} failed: {detail}"),
}


def sentence(answer: Mapping[str, Any], host: str) -> Text:
    """The sentence for an agent's answer with `code`, `path` and `detail`."""
    word = WORDS.get(answer["code"], WORDS["internal"])
    detail = str(answer.get("detail") or answer["code"]).rstrip(".")
    return Text(word.msgid, {"host": host, "path": answer.get("path", ""), "detail": detail})
