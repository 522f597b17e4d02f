"""What can go wrong, by what the caller should do about it.

Mapped once to an exit code (here), once to problem details (web), once to a retry (worker).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from control_plane.model.text import Text, t, tn


@dataclass(frozen=True)
class Problem:
    """One fault in an input: where it is, what is wrong, what to do. Collected, never raised one by one.

    `where` is a file name or form name, `line` is 1-based, `field` a path such as
    `subscriptions[1].spec.sites[0].names.main`; `code` is stable and never translated. A `warning` is shown
    and stops nothing.
    """

    code: str
    text: Text
    remedy: Text | None = None
    where: str | None = None
    line: int | None = None
    field: str | None = None
    severity: Literal["error", "warning"] = "error"

    def location(self) -> str:
        """`file:line field`, as far as known."""
        place = self.where or ""
        if self.line is not None:
            place += f":{self.line}"
        return f"{place} {self.field}".strip() if self.field else place

    def as_json(self) -> dict[str, Any]:
        """REST form, in the reader's language."""
        return {
            "code": self.code,
            "where": self.where,
            "line": self.line,
            "pointer": self.field,
            "detail": str(self.text),
            "remedy": str(self.remedy) if self.remedy else None,
            "severity": self.severity,
        }


class ProblemError(ValueError):
    """A problem found inside a form's validator; who reads the form takes `problem` out of the error's context."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem.text))
        self.problem = problem


class ControlPlaneError(Exception):
    """Base of all errors a person may see. `text` is what happened, `hint` the next thing to do."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, text: Text, hint: Text | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([str(self.text), *(f"  {p.location()}: {p.text}" for p in self.problems)])


def told_of(error: Exception) -> Text:
    """What a person is told of an error: its own sentence, what the machine says, or that the fault is ours."""
    if isinstance(error, ControlPlaneError):
        return error.problems[0].text if error.problems else error.text
    if isinstance(error, OSError):
        return t("{error}", error=error)
    return t("Internal fault: {kind}: {text}", kind=type(error).__name__, text=error)


class Rejected(ControlPlaneError):
    """The input is invalid or the act is not allowed; the same call will be rejected again."""

    exit_code = 4
    code = "rejected"


class Invalid(Rejected):
    """An input with problems; all of them are listed."""

    code = "invalid"

    def __init__(self, problems: Sequence[Problem], text: Text | None = None) -> None:
        super().__init__(
            text
            or tn(
                "{count} problem; nothing was changed.", "{count} problems; nothing was changed.", count=len(problems)
            ),
            None,
            problems,
        )


class NotFound(Rejected):
    """No such object in this centre."""

    code = "not-found"


class NoConsent(Rejected):
    """A yes is needed and there is nobody to ask."""

    code = "no-consent"


class UnsafePlan(ControlPlaneError):
    """The plan destroys data or touches more than the limit; it needs a yes bound to its digest: the typed `word`."""

    exit_code = 5
    code = "unsafe-plan"

    def __init__(self, text: Text, hint: Text | None = None, word: str = "") -> None:
        super().__init__(text, hint)
        self.word = word


class TemporaryError(ControlPlaneError):
    """Something did not answer or is busy; try again after `delay` seconds."""

    exit_code = 6
    code = "temporary"

    def __init__(self, text: Text, hint: Text | None = None, delay: float = 30.0) -> None:
        super().__init__(text, hint)
        self.delay = delay


class CouldNotMeasureError(TemporaryError):
    """A system was not seen, so nothing may be planned against it."""

    code = "could-not-measure"


class StalePlan(ControlPlaneError):
    """The world moved since the plan was made."""

    exit_code = 7
    code = "stale-plan"


class PermanentError(ControlPlaneError):
    """A fault that trying again does not cure."""

    code = "permanent"
