"""How accounts in the directory are asked for."""

from __future__ import annotations

from control_plane.model.questions import Ask, Page, Questions, Several
from control_plane.model.text import t
from control_plane.offerings.directory.resources import TIERS

_TITLE = (
    Ask("title.zh", t("Name in Chinese"), None, "全体人员"),
    Ask("title.en", t("Name in English"), None, "Everybody"),
)
QUESTIONS = Questions(
    summary=t("Accounts of your people in the city's one directory: one name and password for every system."),
    gets=(
        t("An account for each of your people, with a number that is never used again"),
        t("Groups for your own systems, and accounts for machines and programs"),
        t("A first password for each, given out by the centre"),
    ),
    ready=(
        t("Names, staff numbers and telephone numbers of the people"),
        t("Who belongs to which group"),
        t("Who has left: remove them the same day"),
    ),
    tiers={tier: t("Up to {seats} people", seats=limits["seats"]) for tier, limits in TIERS.items()},
    parts=(
        Several(
            "people",
            t("People"),
            t("person"),
            t("Add a person"),
            t("Nobody yet."),
            "display_name",
            (
                Page(
                    "person",
                    t("Who is it?"),
                    (
                        Ask("family_name", t("Family name"), None, "张"),
                        Ask("given_name", t("Given name"), None, "三"),
                        Ask("display_name", t("Name as it is shown"), None, "张三"),
                        Ask("pinyin", t("Name in Latin letters"), None, "Zhang San"),
                        Ask(
                            "uid",
                            t("Account name"),
                            t("3 to 32 small letters, digits, dots, hyphens; it is unique in the city."),
                            "zhangsan",
                            code=True,
                        ),
                    ),
                ),
                Page(
                    "work",
                    t("Where do they work?"),
                    (
                        Ask("employee_number", t("Staff number"), None, "000001", code=True),
                        Ask("title", t("Position"), None, "科员"),
                        Ask("mail", t("E-mail"), None, "zhangsan@example.test", code=True),
                        Ask("phone", t("Telephone"), None, "0532-5550-0001"),
                        Ask("groups", t("Groups"), t("Names of groups of your department."), "all", code=True),
                    ),
                ),
            ),
            key="uid",
        ),
        Several(
            "groups",
            t("Groups"),
            t("group"),
            t("Add a group"),
            t("No groups yet."),
            "name",
            (
                Page(
                    "group",
                    t("What is the group called?"),
                    (
                        Ask("name", t("Short name"), t("Small letters, digits, dots, hyphens."), "all", code=True),
                        *_TITLE,
                    ),
                ),
            ),
            key="name",
        ),
        Several(
            "services",
            t("Accounts of machines and programs"),
            t("account"),
            t("Add an account"),
            t("None yet."),
            "name",
            (
                Page(
                    "service",
                    t("What is it called?"),
                    (
                        Ask("name", t("Short name"), t("Small letters, digits and hyphens."), "scanner", code=True),
                        *_TITLE,
                    ),
                ),
            ),
            key="name",
        ),
    ),
)
