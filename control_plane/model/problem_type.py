"""Causes for which the interface for programs refuses: one type each, so that no program has to read sentences.

Types are data: an answer names one as `/problems/NAME`, and that is a page which says what it means. The code of a
`ControlPlaneError` is the name of its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from control_plane.model.text import Text, t


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One cause: its name, the status of the answer, what it is called, and what a program does about it."""

    name: str
    status: int
    title: Text
    about: Text


_AGAIN = t("Send the same again after the seconds of Retry-After.")
_NEW_TOKEN = t("Make another token on the page of your tokens, and give it to the program.")
PROBLEM_TYPES: Mapping[str, ProblemType] = {
    kind.name: kind
    for kind in (
        # what was sent
        ProblemType(
            "bad-request",
            400,
            t("This request cannot be understood."),
            t("Send one JSON object in UTF-8, to a name of this centre."),
        ),
        ProblemType(
            "key-missing",
            400,
            t("Idempotency-Key is missing or too long."),
            t("Send a fresh word of 1 to 200 letters, digits, hyphens or underscores with each new act."),
        ),
        ProblemType(
            "invalid",
            422,
            t("Something in it is wrong."),
            t("Each entry of `errors` names the field, the fault and the remedy. Nothing was changed."),
        ),
        ProblemType(
            "key-reused",
            422,
            t("This Idempotency-Key was sent with something else."),
            t("Use a fresh key for another act; the same key only to send the very same again."),
        ),
        ProblemType(
            "not-acceptable",
            406,
            t("Only JSON is given here."),
            t("Send Accept: application/json, or leave it out."),
        ),
        ProblemType(
            "too-large",
            413,
            t("That is too much at once."),
            t("Send less: one mebibyte, unless the operation says that it takes more."),
        ),
        ProblemType(
            "wrong-type",
            415,
            t("The body is of a type that is not read here."),
            t("Send Content-Type: application/json, with PATCH application/merge-patch+json."),
        ),
        # who sent it
        ProblemType(
            "no-token",
            401,
            t("There is no token."),
            t("Send Authorization: Bearer TOKEN. Cookies of the console are not looked at here."),
        ),
        ProblemType("unknown-token", 401, t("This token is not known."), _NEW_TOKEN),
        ProblemType("token-over", 401, t("This token has ended."), _NEW_TOKEN),
        ProblemType(
            "owner-not-ready",
            403,
            t("The owner of this token has to sign in to the console first."),
            t("They sign in there once and finish what it asks for: a password, a second factor."),
        ),
        ProblemType(
            "scope-missing",
            403,
            t("The token is not for this."),
            t("Make a token with that scope on your page of tokens, or: gasp tokens create"),
        ),
        ProblemType(
            "token-bound",
            403,
            t("The token is bound to one department."),
            t("What concerns the whole estate needs a token without a department."),
        ),
        ProblemType(
            "forbidden",
            403,
            t("No role of the token's owner allows it."),
            t("The centre gives the role, or somebody who holds it does this."),
        ),
        # what is there
        ProblemType(
            "not-found",
            404,
            t("There is no such thing."),
            t("Things of departments that you may not see are answered just like things that are not there."),
        ),
        ProblemType("no-such-address", 404, t("There is no such address."), t("All are in /api/v1/openapi.json.")),
        ProblemType("wrong-method", 405, t("This address takes no such request."), t("The header Allow names those.")),
        ProblemType(
            "rejected",
            409,
            t("It cannot be done as things are."),
            t("The detail says why; the same again is refused again until that has changed."),
        ),
        ProblemType(
            "frozen",
            409,
            t("A freeze covers it."),
            t("Two people lift a freeze; then send it again."),
        ),
        ProblemType(
            "unsafe-plan",
            409,
            t("The plan needs a typed word."),
            t("Read the plan; if it is what you want, send its word as `confirm`."),
        ),
        ProblemType("key-busy", 409, t("The same is being done just now."), _AGAIN),
        ProblemType(
            "stale-plan",
            412,
            t("The world has moved since you looked."),
            t("Read again what you decided on, and decide anew."),
        ),
        ProblemType(
            "changed-meanwhile",
            412,
            t("It was changed since you read it."),
            t("`changed` names what; read it again and send your change with its ETag as If-Match."),
        ),
        ProblemType(
            "if-match-missing",
            428,
            t("If-Match is missing."),
            t("Read it first, and send its ETag as If-Match, so that nobody's change is lost."),
        ),
        # later
        ProblemType("too-many-requests", 429, t("Too many requests at once."), _AGAIN),
        ProblemType(
            "too-many-streams",
            503,
            t("So many follow something already that there is no place for one more."),
            t("Ask for the list of events with `after` instead, or come back after the seconds of Retry-After."),
        ),
        ProblemType("temporary", 503, t("It cannot be done at this moment."), _AGAIN),
        ProblemType(
            "could-not-measure",
            503,
            t("A system could not be seen, so nothing is said about it."),
            _AGAIN,
        ),
        ProblemType(
            "unexpected",
            500,
            t("Something went wrong here."),
            t("Tell the centre the `request_id`; sent again with the same Idempotency-Key, nothing is done twice."),
        ),
    )
}
