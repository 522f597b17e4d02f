"""How a public website is asked for."""

from __future__ import annotations

from control_plane.model.questions import Questions
from control_plane.model.text import t
from control_plane.offerings._site.questions import MARKS, TIER_WORDS, websites

QUESTIONS = Questions(
    summary=t("A website of your department for everybody: names, certificate and web server run by the centre."),
    gets=(
        t("A website over HTTPS, reachable from everywhere, with a first home page in Chinese and English"),
        t("Names in your department's part of the city, entered and kept by the centre"),
        t("You upload content yourself, look at a preview, publish it and go back at any time"),
    ),
    ready=(
        t("The name of the website in Chinese and English"),
        t("The address you want, such as office.example.gov.cn"),
        t("Filing numbers, if you have them already"),
    ),
    tiers=TIER_WORDS,
    first={"sites": [{}]},
    parts=(websites(t("Your public websites"), "example.qingdao.test", MARKS),),
)
