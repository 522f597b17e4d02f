"""How antivirus and patching are asked for."""

from __future__ import annotations

from control_plane.model.questions import Ask, Page, Questions, Several
from control_plane.model.text import t, tn
from control_plane.offerings.security.resources import TIERS

QUESTIONS = Questions(
    summary=t("Protection against viruses and current patches for your department's machines."),
    gets=(
        t("Signatures and patches from the centre's own repository, checked before they go out"),
        t("Patches in rings and in agreed hours, so that a bad one stops early"),
        t("A list of your machines with what each of them lacks"),
    ),
    ready=(
        t("Names of the machines"),
        t("Which of them shall try patches first"),
    ),
    tiers={
        tier: tn(
            "Up to {machines} machine",
            "Up to {machines} machines",
            count=limits["machines"],
            machines=limits["machines"],
        )
        for tier, limits in TIERS.items()
    },
    parts=(
        Several(
            "machines",
            t("Machines"),
            t("machine"),
            t("Add a machine"),
            t(
                "No machine named: your department's own workstation, in the last ring. One that is taken off the list "
                "stays protected until the centre retires it."
            ),
            "name",
            (
                Page(
                    "machine",
                    t("Which machine is it?"),
                    (
                        Ask("name", t("Name of the machine"), None, "fgw-pc-01", code=True),
                        Ask(
                            "ring",
                            t("Ring"),
                            t("When it gets patches: after the pilots, most machines follow."),
                            choices={
                                "1": t("1 pilot"),
                                "2": t("2 half of all"),
                                "3": t("3 the rest"),
                                "4": t("4 servers"),
                            },
                        ),
                    ),
                ),
            ),
        ),
    ),
)
