"""How an internal website is asked for."""

from __future__ import annotations

from control_plane.model.questions import Ask, Page, Questions
from control_plane.model.text import t
from control_plane.offerings._site.questions import TIER_WORDS, websites

READERS = Page(
    "readers",
    t("Which departments may read it?"),
    (
        Ask(
            "shared_with",
            t("Codes of departments"),
            t("Your own people always may. An asterisk (*) means every department."),
            "czj",
            code=True,
        ),
    ),
)
SIGN_IN = Page(
    "sign-in",
    t("Who has to sign in?"),
    (
        Ask(
            "sign_in",
            t("Sign-in"),
            t("With the account in the directory, as at this portal. Whoever left is out within a minute."),
            choices={
                "none": t("Nobody: whoever is in these departments' networks reads it"),
                "department": t("Everybody of the departments that may read it"),
                "groups": t("Only members of some groups of your department"),
            },
        ),
        Ask(
            "groups",
            t("Groups"),
            t("Only when members of groups alone may read it: names of your department's groups. One is enough."),
            "leaders",
            code=True,
        ),
    ),
)
QUESTIONS = Questions(
    summary=t("A website that only the government network can read: your own people, and departments you name."),
    gets=(
        t("A website over HTTPS inside the government network, unknown outside"),
        t("You decide which departments may read it, and whether people have to sign in"),
        t("You upload content yourself, look at a preview, publish it and go back at any time"),
    ),
    ready=(
        t("The name of the website in Chinese and English"),
        t("Codes of the departments that shall read it"),
        t("No classified content: it must not be uploaded"),
    ),
    tiers=TIER_WORDS,
    first={"sites": [{}]},
    parts=(websites(t("Your internal websites"), "example.intra.qingdao.test", READERS, SIGN_IN),),
)
