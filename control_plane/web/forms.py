"""The form of a service on pages, made from its typed spec: which page follows, what a field holds, what is wrong.

The spec says which fields there are (`workflow/form_shape.py`), `model/questions.py` in which words they are asked for.
Must not fetch or keep anything.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import itemgetter
from typing import Annotated, Any

from markupsafe import Markup, escape
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from werkzeug.datastructures import MultiDict

from control_plane.model.errors import NotFound, Problem
from control_plane.model.offering import Offering
from control_plane.model.questions import Ask, Page, Questions, Several
from control_plane.model.tenant import Document, Tier
from control_plane.model.text import Text, t
from control_plane.web import show
from control_plane.workflow.form_shape import Path, Shape, as_text, get, model_of, path_of, put, shape_of, typed
from control_plane.workflow.import_problems import problems_of

LONGEST_REASON = 1000
#: A list with more texts than this is typed one a line.
MOST_ROWS = 50
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REASON)]


class Order(Document):
    """What every request says beside the spec of its service."""

    tier: Tier = "S"
    reason: Reason = Field()


@dataclass(frozen=True)
class Stop:
    """One page on the way: a question, or a list of several things. `name` is its place in the address, `base` where
    its fields lie in the answers, `number` that of its part, from 1."""

    name: str
    part: Page | Several
    base: Path
    number: int
    of: Several | None = None

    @property
    def index(self) -> int | None:
        """Of which thing of the list this page is."""
        last = self.base[-1] if self.base else None
        return last if isinstance(last, int) else None


@dataclass(frozen=True)
class Shown:
    """One field on its page: value as text, or texts of its rows; `problems` by row (None: the whole field)."""

    ask: Ask
    shape: Shape
    value: str
    rows: Sequence[str]
    options: Sequence[tuple[str, str]]
    problems: Sequence[Problem]

    @property
    def id(self) -> str:
        """Its name in the page and in what is sent."""
        return self.ask.path

    def fault(self, row: int | None = None) -> Problem | None:
        """What is wrong with it, or with one of its rows."""
        wanted = self.id if row is None else f"{self.id}.{row}"
        return next((p for p in self.problems if p.field == wanted), None)


@dataclass(frozen=True)
class Section:
    """Answers of one page for the last look: (question, answer), where they can be changed, and the thing they are
    about."""

    title: str
    stop: str
    answers: Sequence[tuple[str, Markup]]
    problems: Sequence[Problem] = ()
    whose: str = ""


@dataclass(frozen=True)
class Compared:
    """Answers of a change beside those in force: pages with something new first, `same` for the others, `gone`: what
    is not there any more, by name. `was`: (question, label) → answer in force; None: nothing to compare with."""

    changed: Sequence[Section]
    same: Sequence[Section] = ()
    gone: Sequence[str] = ()
    was: Mapping[tuple[str, str], Markup] | None = None


def compared(now: Sequence[Section], before: Sequence[Section] | None) -> Compared:
    """Set answers beside earlier ones."""
    if before is None:
        return Compared(now)
    was = {(section.title, label): answer for section in before for label, answer in section.answers}
    here = {section.whose or section.title for section in now}
    same = [s for s in now if not s.problems and all(was.get((s.title, k)) == a for k, a in s.answers)]
    named = dict.fromkeys(section.whose or section.title for section in before)
    gone = [name for name in named if name not in here]
    return Compared([section for section in now if section not in same], same, gone, was)


class Form:
    """The way through one service's form with these answers: `{"spec": …, "tier": …, "reason": …}`."""

    def __init__(self, offering: Offering, answers: Mapping[str, Any], *, only: Sequence[str] = ()) -> None:
        if offering.questions is None or offering.spec is None:
            raise NotFound(t("Nobody can ask for this service here."))
        self.questions: Questions = offering.questions
        self.spec: type[BaseModel] = offering.spec
        self.answers = copy.deepcopy(dict(answers))
        if not isinstance(self.answers.get("spec"), dict):
            self.answers["spec"] = {}
        self.whole = not only
        self.parts: tuple[Page | Several, ...] = (*self.questions.parts, *_order(self.questions))
        if only:
            self.parts = tuple(part for part in self.parts if part.name in only)
        self.stops = list(self._stops())

    # the way ---------------------------------------------------------------------------------------------------------
    def _stops(self) -> Iterable[Stop]:
        ordered = {page.name for page in _order(self.questions)}
        for number, part in enumerate(self.parts, 1):
            if isinstance(part, Page):
                yield Stop(part.name, part, () if part.name in ordered else ("spec",), number)
                continue
            for index in range(len(self.items(part))):
                for page in part.pages:
                    name = f"{part.name}-{index + 1}-{page.name}"
                    yield Stop(name, page, ("spec", part.path, index), number, part)
            yield Stop(part.name, part, ("spec",), number)

    def items(self, part: Several) -> list[Any]:
        """The things of a list, as they are now."""
        found = get(self.answers, ("spec", part.path))
        return found if isinstance(found, list) else []

    def stop(self, name: str) -> Stop:
        """A page by its name in the address. Raises NotFound."""
        for stop in self.stops:
            if stop.name == name:
                return stop
        raise NotFound(t("There is no such page in this form."))

    def first(self) -> Stop:
        """Where somebody begins: the first question, or a list that has things already."""
        begin = self.stops[0]
        if begin.of is not None and begin.index is not None and self.items(begin.of)[begin.index]:
            return self.stop(begin.of.name)
        return begin

    def after(self, stop: Stop) -> Stop | None:
        """The page that follows; from the last page of one thing back to its list; None: the last look."""
        here = self.stops.index(stop)
        if stop.of is not None:
            follows = self.stops[here + 1]
            return follows if follows.base == stop.base else self.stop(stop.of.name)
        return next((self._entry(s) for s in self.stops[here + 1 :] if s.number > stop.number), None)

    def before(self, stop: Stop) -> Stop | None:
        """The page before; None: there is none."""
        here = self.stops.index(stop)
        if stop.of is not None:
            earlier = self.stops[here - 1] if here else None
            return earlier if earlier and earlier.base == stop.base else self._list_before(stop)
        lower = [s for s in self.stops[:here] if s.number < stop.number]
        return lower[-1] if lower else None

    def _list_before(self, stop: Stop) -> Stop | None:
        if stop.of and len(self.items(stop.of)) > 1:
            return self.stop(stop.of.name)
        lower = [s for s in self.stops if s.number < stop.number]
        return lower[-1] if lower else None

    def _entry(self, stop: Stop) -> Stop:
        """Into a part: an untouched thing is asked for first, otherwise its list comes first."""
        if stop.of is None or stop.index is None:
            return stop
        return stop if not self.items(stop.of)[stop.index] else self.stop(stop.of.name)

    # fields ----------------------------------------------------------------------------------------------------------
    def fields(self, stop: Stop, problems: Sequence[Problem] = (), more: str = "") -> list[Shown]:
        """The fields of a page with what was answered; `more`: the list that gets one empty row more."""
        if not isinstance(stop.part, Page):
            return []
        return [self._field(stop, ask, problems, more == ask.path) for ask in stop.part.asks]

    def _field(self, stop: Stop, ask: Ask, problems: Sequence[Problem], more: bool) -> Shown:
        shape = self.shape(stop, ask)
        value = get(self.answers, (*stop.base, *ask.path.split(".")))
        value = shape.default if value is None else value
        texts = [as_text(item) for item in value] if isinstance(value, list | tuple) else []
        if shape.kind == "rows" and len(texts) > MOST_ROWS:
            shape = replace(shape, kind="lines")
        rows = [*texts, ""] if more or not texts else texts
        own = [p for p in problems if p.field == ask.path or (p.field or "").startswith(f"{ask.path}.")]
        options = [(key, str(word)) for key, word in (ask.choices or {}).items()]
        text = "\n".join(texts) if shape.kind == "lines" else as_text(value)
        if options and text and text not in dict(options):
            options.append((text, text))
        return Shown(ask, shape, text, rows if shape.kind == "rows" else [], options, own)

    def shape(self, stop: Stop, ask: Ask) -> Shape:
        """What the spec says of a field."""
        if not stop.base:
            return shape_of(Order, ask)
        model = self.spec
        if stop.of is not None:
            model = model_of(model.model_fields[stop.of.path].annotation)
        return shape_of(model, ask)

    def answer(self, stop: Stop, sent: MultiDict[str, str]) -> None:
        """Take what was sent for a page into the answers, as it was typed."""
        for ask in stop.part.asks if isinstance(stop.part, Page) else ():
            shape = self.shape(stop, ask)
            if shape.kind in ("rows", "lines"):
                lines = [line.strip() for text in sent.getlist(ask.path) for line in text.splitlines()]
                value: Any = [line for line in lines if line]
            else:
                value = typed(shape, sent.get(ask.path, "").replace("\r\n", "\n").strip())
            put(self.answers, (*stop.base, *ask.path.split(".")), value, self._needed(stop, ask))

    def drop(self, stop: Stop, path: str, row: int) -> None:
        """Take one row out of a list of texts."""
        place = (*stop.base, *path.split("."))
        found = get(self.answers, place)
        if isinstance(found, list) and 0 <= row < len(found):
            del found[row]

    def _needed(self, stop: Stop, ask: Ask) -> bool:
        """Whether the group that a field lies in has to be there."""
        head = ask.path.rpartition(".")[0]
        return not head or self.shape(stop, Ask(head, ask.label)).required

    def add(self, part: Several, today: date) -> Stop:
        """One thing more; the page where it is asked for."""
        items = self.items(part)
        put(self.answers, ("spec", part.path), [*items, part.fresh(items, today)], True)
        self.stops = list(self._stops())
        return self.stop(f"{part.name}-{len(items) + 1}-{part.pages[0].name}")

    def remove(self, part: Several, index: int) -> None:
        """One thing less."""
        items = self.items(part)
        if 0 <= index < len(items):
            del items[index]
            self.stops = list(self._stops())

    def called(self, part: Several, item: Any) -> str:
        """What a thing of a list is called."""
        found = get(item, tuple(part.label.split(".")))
        return as_text(found[0] if isinstance(found, list) and found else found)

    def whose(self, stop: Stop) -> str | None:
        """What the thing is called that a page is about."""
        if stop.of is None or stop.index is None:
            return None
        return self.called(stop.of, self.items(stop.of)[stop.index]) or str(stop.of.one)

    # what is wrong ---------------------------------------------------------------------------------------------------
    def wrong(self, found: Sequence[Problem] = ()) -> list[tuple[Stop | None, Problem]]:
        """Everything that is wrong, each with its page and, as `field`, the field there. `found`: what the rules of the
        centre said, with paths of the spec; what the form says itself is left out of it."""
        out: dict[tuple[str, str | None, str], tuple[Stop | None, Problem]] = {}
        below: dict[Path, list[tuple[int, Stop]]] = {}
        for number, one in enumerate(self.stops):
            below.setdefault(one.base, []).append((number, one))
        for path, problem in [*self._faults(), *((path_of(p.field), p) for p in found)]:
            stop, place = self._place(path, below)
            worded = self._worded(stop, place, problem)
            out.setdefault((stop.name if stop else "", place, worded.code), (stop, worded))
        return list(out.values())

    def problems(self, stop: Stop, found: Sequence[Problem] = ()) -> list[Problem]:
        """What is wrong on one page."""
        return [problem for where, problem in self.wrong(found) if where is not None and where.name == stop.name]

    def _faults(self) -> Iterable[tuple[Path, Problem]]:
        names = {part.name for part in self.parts}
        order = {key: self.answers[key] for key in ("tier", "reason") if self.answers.get(key) not in (None, "")}
        for model, value, base in ((self.spec, self.answers["spec"], ("spec",)), (Order, order, ())):
            try:
                model.model_validate(value)
            except ValidationError as error:
                for path, problem in problems_of(error):
                    if self.whole if base else str(path[0]) in names:
                        yield (*base, *path), problem

    def _place(self, path: Path, below: Mapping[Path, Sequence[tuple[int, Stop]]]) -> tuple[Stop | None, str | None]:
        """The page and field of a path: the field itself, else one below it, else the page of the thing or list.
        `below`: stops with their numbers by base, so that a list of thousands is not walked for each fault in it."""
        near: tuple[Stop, str] | None = None
        for _, stop in sorted(
            (s for end in range(len(path) + 1) for s in below.get(path[:end], ())), key=itemgetter(0)
        ):
            if not isinstance(stop.part, Page):
                continue
            rest = path[len(stop.base) :]
            for ask in stop.part.asks:
                parts = tuple(ask.path.split("."))
                if rest[: len(parts)] == parts:
                    row = rest[len(parts)] if len(rest) > len(parts) else None
                    rows = self.shape(stop, ask).kind == "rows" and row is not None
                    return stop, f"{ask.path}.{row}" if rows else ask.path
                if near is None and (stop.of is not None or rest) and parts[: len(rest)] == rest:
                    near = stop, ask.path
        if near is None:
            for stop in self.stops:
                if isinstance(stop.part, Several) and path[:2] == ("spec", stop.part.path):
                    return stop, None
        return near or (None, None)

    def _worded(self, stop: Stop | None, place: str | None, problem: Problem) -> Problem:
        """A fault of the form in the words of the page; the centre's own sentences stay."""
        ask = next((a for a in stop.part.asks if a.path in (place, (place or "").rpartition(".")[0])), None) if (
            stop is not None and isinstance(stop.part, Page)) else None  # fmt: skip
        text, remedy = problem.text, problem.remedy
        if problem.code == "missing-field" and ask is not None:
            text, remedy = t("“{label}” is empty.", label=ask.label), t("Fill it in.")
        elif problem.code == "bad-value":
            remedy = t("Write it like {example}.", example=ask.example) if ask is not None and ask.example else None
        return Problem(problem.code, text, remedy, field=place, severity=problem.severity)

    # the last look ---------------------------------------------------------------------------------------------------
    def sections(self, found: Sequence[Problem] = ()) -> list[Section]:
        """All answers, page by page, each with what is wrong there."""
        wrong = self.wrong(found)
        out: list[Section] = []
        for stop in self.stops:
            own = [p for where, p in wrong if where is not None and where.name == stop.name]
            if isinstance(stop.part, Several):
                if not self.items(stop.part) or own:
                    said = str(len(self.items(stop.part)) or stop.part.none)
                    out.append(Section(str(stop.part.title), stop.name, [(str(stop.part.one), escape(said))], own))
                continue
            whose = self.whose(stop)
            title = f"{whose} · {stop.part.title}" if whose else str(stop.part.title)
            answers = [(str(f.ask.label), self._shown(f)) for f in self.fields(stop)]
            out.append(Section(title, stop.name, answers, own, whose or ""))
        return out

    def _shown(self, field: Shown) -> Markup:
        if field.options:
            return escape(dict(field.options).get(field.value, field.value)) if field.value else show.NOTHING
        lines = [r for r in field.rows if r] if field.shape.kind == "rows" else field.value.splitlines()
        body = Markup("<br>").join(escape(line) for line in lines)
        if not body:
            return show.NOTHING
        return Markup("<code>{}</code>").format(body) if field.ask.code else body


def _order(questions: Questions) -> tuple[Page, ...]:
    """The pages that every form ends with."""
    tiers: dict[str, Text] = {
        tier: t("{tier}: {words}", tier=tier, words=words) for tier, words in questions.tiers.items()
    }
    return (
        Page("tier", t("How much do you need?"), (Ask("tier", t("Tier"), None, choices=tiers),)),
        Page(
            "reason",
            t("What is it for?"),
            (Ask("reason", t("Purpose"), t("One or two sentences for those who decide."), long=True),),
        ),
    )
