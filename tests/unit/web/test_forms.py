"""Forms made from typed specs: every field has words, answers come back as they were, faults stand at their fields."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from control_plane.model.errors import NotFound, Problem
from control_plane.model.offering import Offering
from control_plane.model.questions import Page, Several
from control_plane.model.text import in_language, t
from control_plane.offerings import discover
from control_plane.web.forms import MOST_ROWS, Form, compared
from control_plane.workflow.form_shape import model_of, path_of, shape_of

ASKED = {name: o for name, o in discover().items() if o.questions is not None}
#: Fields that are not asked for: what publishing, maintenance and renaming keep.
_PUBLISHED = {"source", "preview", "maintenance"}
KEPT = {
    "public_site": _PUBLISHED | {"lends"},
    "intranet": _PUBLISHED | {"marks"},
    "directory": {"first_uid", "left_on", "first_name"},
}
TODAY = date(2026, 11, 24)


def answers(offering: Offering) -> dict[str, Any]:
    return {"spec": dict(offering.example or {}), "tier": "S", "reason": "for the citizens"}


@pytest.mark.parametrize("name", ASKED)
def test_every_field_of_a_spec_is_asked_for_or_kept_on_purpose(name: str) -> None:
    offering = ASKED[name]
    assert offering.spec is not None
    assert offering.questions is not None

    kept = KEPT.get(name, set())

    def heads(pages: Any) -> set[str]:
        return {ask.path.split(".")[0] for page in pages if isinstance(page, Page) for ask in page.asks}

    lists = {part.path: part for part in offering.questions.parts if isinstance(part, Several)}
    assert heads(offering.questions.parts) | set(lists) == set(offering.spec.model_fields) - kept
    for path, part in lists.items():
        model = model_of(offering.spec.model_fields[path].annotation)
        assert heads(part.pages) == set(model.model_fields) - kept
        for ask in [ask for page in part.pages for ask in page.asks]:
            shape_of(model, ask)


@pytest.mark.parametrize("name", ASKED)
def test_answers_come_back_as_they_were(name: str) -> None:
    offering = ASKED[name]
    assert offering.spec is not None
    form = Form(offering, answers(offering))
    assert form.wrong() == []
    before = offering.spec.model_validate(form.answers["spec"])
    for stop in list(form.stops):
        sent: MultiDict[str, str] = MultiDict()
        for field in form.fields(stop):
            for value in field.rows or [field.value]:
                sent.add(field.id, value)
        form.answer(stop, sent)
    assert offering.spec.model_validate(form.answers["spec"]) == before
    assert (form.answers["tier"], form.answers["reason"]) == ("S", "for the citizens")


@pytest.mark.parametrize("name", ASKED)
def test_the_way_leads_through_every_page_to_the_end_and_back(name: str) -> None:
    form = Form(ASKED[name], {"spec": dict(ASKED[name].questions.first), "tier": "S", "reason": ""})  # type: ignore[union-attr]
    seen, stop = [form.first().name], form.after(form.first())
    while stop is not None:
        assert stop.name not in seen
        seen.append(stop.name)
        stop = form.after(stop)
    assert seen[-2:] == ["tier", "reason"]
    for later in [form.stop(name) for name in seen[1:]]:
        assert form.before(later) is not None or (later.number == 1 and isinstance(later.part, Several))
    with pytest.raises(NotFound):
        form.stop("nothing")


@pytest.mark.parametrize("name", ASKED)
def test_things_are_added_and_removed(name: str) -> None:
    form = Form(ASKED[name], answers(ASKED[name]))
    for part in [p for p in form.parts if isinstance(p, Several)]:
        count = len(form.items(part))
        stop = form.add(part, TODAY)
        assert stop.name == f"{part.name}-{count + 1}-{part.pages[0].name}"
        assert form.problems(stop), "an empty one is not right"
        form.remove(part, count)
        form.remove(part, 99)
        form.remove(part, -1)
        assert len(form.items(part)) == count
    assert form.wrong() == []


def test_faults_stand_at_their_fields_in_words_of_the_page() -> None:
    with in_language("en"):
        form = Form(ASKED["public_site"], {"spec": {"sites": [{}]}, "tier": "S", "reason": ""})
        title, names, marks = (form.stop(f"sites-1-{page}") for page in ("title", "names", "marks"))
        form.answer(title, MultiDict())
        assert {p.field: str(p.text) for p in form.problems(title)} == {
            "title.zh": "“Name in Chinese” is empty.",
            "title.en": "“Name in English” is empty.",
        }
        form.answer(names, MultiDict([("names.main", "a.test"), ("names.aliases", "b.test"), ("names.aliases", "*.c")]))
        assert [p.field for p in form.problems(names)] == ["names.aliases.1"]
        form.answer(marks, MultiDict({"marks.icp": "nonsense"}))
        fault = form.problems(marks)[0]
        assert (fault.field, str(fault.remedy)) == ("marks.icp", "Write it like 鲁ICP备05000001号-1.")
        told = Problem("not-own-name", t("Not yours."), t("Use another."), field="sites[0].names.main")
        assert [str(p.text) for p in form.problems(names, [told])][-1] == "Not yours."
        nowhere = Problem("no-tenant", t("There is none."), field="elsewhere")
        assert (None, "There is none.") in [(stop, str(p.text)) for stop, p in form.wrong([nowhere])]


def test_a_group_that_need_not_be_there_goes_with_its_last_value() -> None:
    form = Form(ASKED["internet"], {"spec": {}, "tier": "S", "reason": ""})
    contact, limits = form.stop("contact"), form.stop("limits")
    form.answer(contact, MultiDict({"contact.name": "信息科"}))
    assert form.answers["spec"]["contact"] == {"name": "信息科"}
    form.answer(contact, MultiDict())
    assert "contact" not in form.answers["spec"]
    form.answer(limits, MultiDict({"limits.up_kbit": "5000", "limits.down_kbit": "many"}))
    assert form.answers["spec"]["limits"] == {"up_kbit": 5000, "down_kbit": "many"}
    assert [p.field for p in form.problems(limits)] == ["limits.down_kbit"]
    rule = form.add(next(p for p in form.parts if p.name == "rules"), TODAY)  # type: ignore[arg-type]
    assert form.answers["spec"]["rules"] == [{"number": 10, "since": "2026-11-24"}]
    form.answer(
        rule, MultiDict({"action": "block", "hosts": "a.test\r\n\r\n b.test ", "reason.zh": "无", "reason.en": "x"})
    )
    assert form.answers["spec"]["rules"][0]["hosts"] == ["a.test", "b.test"]
    assert not [p for p in form.problems(rule) if p.severity == "error"]


@pytest.mark.parametrize("spec", [None, [], "x", {"sites": None}, {"sites": "x"}, {"sites": [None, 1, "x", []]}])
def test_answers_of_any_shape_are_pages_and_faults(spec: Any) -> None:
    form = Form(ASKED["public_site"], {"spec": spec, "tier": 7, "reason": None})
    assert form.wrong()
    for stop in form.stops:
        form.fields(stop)
        form.problems(stop)
    form.sections()


def test_long_lists_are_typed_one_a_line() -> None:
    names = [f"n{i}.example.test" for i in range(MOST_ROWS + 1)]
    form = Form(ASKED["intranet"], {"spec": {"sites": [{"shared_with": names}]}, "tier": "S", "reason": ""})
    field = form.fields(form.stop("sites-1-readers"))[0]
    assert (field.shape.kind, field.value.splitlines()) == ("lines", names)
    form.answer(form.stop("sites-1-readers"), MultiDict({"shared_with": "\n".join(names[:3])}))
    assert form.answers["spec"]["sites"][0]["shared_with"] == names[:3]


def test_a_change_is_set_beside_what_is_in_force() -> None:
    with in_language("en"):
        offering = ASKED["directory"]
        before = Form(offering, answers(offering))
        after = Form(offering, answers(offering))
        after.answers["spec"]["people"] = []
        after.answers["spec"]["groups"][0]["title"]["en"] = "All"
        found = compared(Form(offering, after.answers).sections(), before.sections())
        assert [section.title for section in found.changed][-1].startswith("all ·")
        assert any(title.startswith("张三") for title in found.gone)
        assert any(section.title.startswith("approvers") for section in found.same)
        assert compared(before.sections(), None).same == ()


def test_paths() -> None:
    assert path_of("subscriptions[1].spec.sites[0].names.main") == ("spec", "sites", 0, "names", "main")
    assert path_of("sites[0].names.aliases[3]") == ("spec", "sites", 0, "names", "aliases", 3)
    assert path_of("tier") == ("tier",)
    assert path_of(None) == ()
