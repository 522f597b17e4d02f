"""How a website is asked for: pages that the public and the internal kind share."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.model.questions import Ask, Page, Several
from control_plane.model.tenant import Tier
from control_plane.model.text import Text, t
from control_plane.offerings._site.rules import GIB, TIERS

TITLE = Page(
    "title",
    t("What is the website called?"),
    (
        Ask("title.zh", t("Name in Chinese"), t("As it stands at the head of the home page."), "示例局"),
        Ask("title.en", t("Name in English"), t("For visitors who read no Chinese."), "Example Bureau"),
    ),
)
NAME_HINT = t(
    "Small letters, digits and hyphens; Chinese is possible. It lies in your department's own part of the city."
)
ALIASES = Ask(
    "names.aliases",
    t("Other names"),
    t("They show the same website. Leave it empty when there are none."),
    code=True,
)
MARKS = Page(
    "marks",
    t("What stands in the footer?"),
    (
        Ask("marks.organiser", t("Who runs the website"), None, "示例局"),
        Ask("marks.icp", t("ICP filing number"), t("Of the ministry's filing."), "鲁ICP备05000001号-1"),
        Ask("marks.police", t("Public security filing number"), None, "鲁公网安备 37020200000001号"),
        Ask("marks.site_code", t("Site identification code"), t("Ten digits."), "3702000001"),
        Ask(
            "marks.mark_id", t("Mark of government websites"), t("Letters and digits of your certificate."), "CA123456"
        ),
    ),
    t("What you do not have yet can follow later with a change."),
)
TIER_WORDS: Mapping[Tier, Text] = {
    tier: t(
        "Up to {sites} websites, {gib} GiB for each, {requests} requests a second",
        sites=limits["sites"],
        gib=limits["storage_bytes"] // GIB,
        requests=limits["requests_per_second"],
    )
    for tier, limits in TIERS.items()
}


def websites(title: Text, example: str, *own: Page) -> Several:
    """The part of the form in which websites are named. `example` is an address; `own` are pages of one kind only."""
    main = Ask("names.main", t("Address"), NAME_HINT, example, code=True)
    names = Page("names", t("Which address shall it have?"), (main, ALIASES))
    pages = (TITLE, names, *own)
    return Several(
        "sites", title, t("website"), t("Add a website"), t("No website yet."), "names.main", pages, key="names.main"
    )
