"""Forms of answers: CSV that no spreadsheet runs, terminals that no name steers, columns that line up in Chinese."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from control_plane.cli.listing import plain
from control_plane.cli.output import as_csv, as_json, as_yaml, csv_cell
from control_plane.cli.plan_view import PlanView
from control_plane.cli.table import layout
from control_plane.cli.terminal import UNSAFE, clean, duration, fold, moment, sentence
from control_plane.model.text import t

from .conftest import Gasp
from .fake_client import ANSWERS, change, plan
from .fake_machines import MISSING, SHOWN

EVIL = "市\x1b]0;owned\x07局\u202e\x9b31m\r\n\u2028x"
texts = st.text(max_size=30)


def records(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


class TestCsv:
    @pytest.mark.parametrize(
        ("value", "cell"),
        [
            ('=HYPERLINK("http://x.example.test","财政局")', '\'=HYPERLINK("http://x.example.test","财政局")'),
            ("+86 532 0000", "'+86 532 0000"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1+1", "'\t=1+1"),
            ("\r=1", "'\r=1"),
            ("＝1+1", "'＝1+1"),
            ("-cmd", "'-cmd"),
            ("'=1", "''=1"),
            ("-1200.00", "-1200.00"),
            ("0.10", "0.10"),
            (-5, "-5"),
            (1.5, "1.5"),
            (True, "true"),
            (None, ""),
            (["a", "b"], "a; b"),
            (["=a", "b"], "'=a; b"),
            ({"a": 1}, '{"a": 1}'),
            ("市审计局", "市审计局"),
        ],
    )
    def test_cells(self, value: object, cell: str) -> None:
        assert csv_cell(value) == cell

    def test_rfc_4180_and_byte_order_mark(self) -> None:
        text = as_csv(["a", "b"], [{"a": 'say "x", y', "b": "two\nlines"}])
        assert text == '\ufeffa,b\r\n"say ""x"", y","two\nlines"\r\n'

    @given(texts)
    @settings(derandomize=True, deadline=None)
    def test_any_text_is_inert_and_comes_back(self, value: str) -> None:
        cell = records(as_csv(["a"], [{"a": value}]))[1:]
        back = cell[0][0] if cell and cell[0] else ""
        assert not re.match("[=+@\t\r＝＋－＠]", back)
        assert not back.startswith("-") or re.fullmatch(r"-\d+(\.\d+)?", back)
        restored = back[1:] if re.match("'+[=+\\-@\t\r\n＝＋－＠]", back) else back
        assert restored == value

    def test_names_of_the_case_in_every_form(self, gasp: Gasp) -> None:
        rows = [{**ANSWERS["tenants"][0], "name_zh": name} for name in ("=1+1", "@SUM(A1)", "\t=1+1")]
        out = gasp("tenants", "list", "-o", "csv", tenants=rows).out
        assert [r[1] for r in records(out)] == ["name_zh", "'=1+1", "'@SUM(A1)", "'\t=1+1"]
        items = gasp("tenants", "list", "-o", "json", tenants=rows).json["items"]
        assert [i["name_zh"] for i in items] == ["=1+1", "@SUM(A1)", "\t=1+1"]


class TestTerminal:
    def test_clean(self) -> None:
        assert clean(EVIL) == "市\\x1b]0;owned\\x07局\\u202e\\x9b31m\\x0d\\x0a\\u2028x"

    def test_sentences_keep_their_lines_but_not_those_of_data(self) -> None:
        assert sentence(t("a {x}\nb", x="1\n2")) == "a 1\\x0a2\nb"
        assert sentence(t("outer {inner}", inner=t("inner {x}", x="\x1b"))) == "outer inner \\x1b"

    @pytest.mark.parametrize("output", ["table", "wide", "json", "yaml", "name"])
    @pytest.mark.parametrize(
        "verb",
        ["plan --all", "tenants list", "tenants show fgw", "drift list", "runs show 482", "explain x", "accounts list"],
    )
    def test_no_answer_steers_a_terminal(self, gasp: Gasp, verb: str, output: str) -> None:
        def poison(value: object) -> object:
            if isinstance(value, dict):
                return {k: poison(v) for k, v in value.items()}
            if isinstance(value, list):
                return [poison(v) for v in value]
            keep = value in ("create", "update", "delete", "conflict", "done", "drift") or "T15" in str(value)
            return value if keep or not isinstance(value, str) else value + EVIL

        answer = gasp(*verb.split(), "-o", output, **{k: poison(v) for k, v in ANSWERS.items()})
        assert answer.code == 0
        assert not UNSAFE.search((answer.out + answer.err).replace("\n", ""))
        assert "owned" in answer.out

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | texts,
            lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
            max_leaves=8,
        )
    )
    @settings(derandomize=True, deadline=None)
    def test_json_and_yaml_lose_nothing(self, data: object) -> None:
        for text, back in ((as_json(data), json.loads), (as_yaml(data), yaml.safe_load)):
            assert not UNSAFE.search(text.replace("\n", ""))
            assert back(text) == data

    def test_errors_are_clean(self, gasp: Gasp) -> None:
        for argv in (["hosts", "show", EVIL], [EVIL], ["plan", f"--{EVIL}"], ["runs", "show", EVIL]):
            assert not UNSAFE.search(gasp(*argv).err.replace("\n", ""))

    def test_colour_only_on_a_terminal_and_never_against_a_wish(self, gasp: Gasp) -> None:
        for env in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
            assert "\x1b" not in gasp("plan", env=env).out
        assert "\x1b" not in gasp("plan", "--no-color").out


class TestTables:
    @given(
        st.lists(
            st.lists(st.sampled_from(["市审计局", "fgw", "é", "", "ｆｕｌｌ", "a" * 40]), min_size=3, max_size=3),
            max_size=6,
        )
    )
    @settings(derandomize=True, deadline=None)
    def test_columns_start_in_the_same_cell(self, rows: list[list[str]]) -> None:
        lines = layout(["A", "B", "C"], [[*row[:2], "|"] for row in rows]).splitlines()[1:]
        assert len({cell_len(line.split("|")[0]) for line in lines}) <= 1

    def test_nothing_is_cut_off_in_a_pipe(self, gasp: Gasp) -> None:
        long = "局" * 300
        rows = [{**ANSWERS["tenants"][0], "name_zh": long}]
        assert long in gasp("tenants", "list", tenants=rows).out

    def test_numbers_are_to_the_right_and_grouped(self) -> None:
        assert plain(12345) == "12,345"
        assert plain(True) == "yes"
        assert plain([]) == plain({}) == "–"
        assert plain([{"name": "王工", "phone": None}, {}]) == "name=王工, phone=–, –"

    @given(st.text(alphabet="ab 市局，。", max_size=80), st.integers(8, 40))
    @settings(derandomize=True, deadline=None)
    def test_folding_keeps_every_word_and_the_width(self, text: str, width: int) -> None:
        lines = list(fold(text, width))
        assert "".join("".join(lines).split()) == "".join(text.split())
        assert all(cell_len(line) <= width or " " not in line for line in lines)


class TestListing:
    def test_filters(self, gasp: Gasp) -> None:
        def codes(*options: str) -> list[str]:
            return gasp("tenants", "list", "-o", "name", *options).out.split()

        assert codes("--filter", "status=served") == ["fgw"]
        assert codes("--filter", "status=SERVED,listed") == ["fgw", "sjj"]
        assert codes("--filter", "status!=served") == ["sjj"]
        assert codes("--filter", "subscriptions=directory") == ["fgw"]
        assert codes("--filter", "status=served", "--filter", "code=sjj") == []
        assert codes("--sort", "-code") == ["sjj", "fgw"]
        assert codes("--sort", "network_index") == ["fgw", "sjj"]
        assert codes("--sort", "-network_index") == ["fgw", "sjj"], "what has no value comes last"
        assert codes("--limit", "1") == ["fgw"]

    def test_json_counts_before_the_limit(self, gasp: Gasp) -> None:
        answer = gasp("tenants", "list", "-o", "json", "--limit", "1").json
        assert (len(answer["items"]), answer["total"], answer["next"]) == (1, 2, None)

    def test_fields_are_dotted_and_in_the_order_asked(self, gasp: Gasp) -> None:
        items = gasp("runs", "list", "-o", "json", "--fields", "state,actor.name").json["items"]
        assert items[0] == {"state": "done", "actor.name": "local:root"}
        assert gasp("runs", "list", "--fields", "id,actor.name").out.splitlines()[0].split() == ["RUN", "WHO"]

    def test_empty_lists_say_why(self, gasp: Gasp) -> None:
        assert "gasp tenants import" in gasp("tenants", "list", tenants=[]).err
        answer = gasp("tenants", "list", "--filter", "code=none")
        assert answer.out == ""
        assert "None of 2 rows fits the filter." in answer.err
        assert gasp("tenants", "list", "-o", "json", tenants=[]).json == {"items": [], "total": 0, "next": None}

    def test_what_a_machine_lacks_says_since_when_and_why(self, gasp: Gasp) -> None:
        said = gasp("hosts", "show", "fgw").out
        assert said.count("missing since") == 4, "also without a deadline"
        assert said.count("wanted by") == 2
        assert said.count("kept back: apt does not take it") == 1

    def test_plan_rows_can_be_chosen(self, gasp: Gasp) -> None:
        answer = gasp("plan", "-o", "json", "--filter", "action=delete", "--fields", "id,action").json
        assert answer["changes"] == [{"id": "dns:n3.qingdao.test/A", "action": "delete"}]
        assert answer["digest"]


class TestTimes:
    def test_shanghai_unless_told_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert moment("2026-11-24T15:08:41.5+00:00") == "2026-11-24T23:08:41+08:00"
        assert moment(None) == "–"
        assert moment("soon") == "soon"

    @pytest.mark.parametrize(("seconds", "text"), [(0.42, "0.4 s"), (67, "01:07"), (3723, "1:02:03")])
    def test_durations(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text


class TestPlan:
    def text(self, *changes: dict[str, object], **more: object) -> str:
        options = {k: more.pop(k) for k in ("every_line", "wide") if k in more}
        return PlanView(plan(*changes, **more), **options).text()  # type: ignore[arg-type]

    def test_destructive_first_and_signs_always(self) -> None:
        text = self.text(change("create", 1), change("update", 2), change("conflict", 3), change("delete", 4))
        signs = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
        assert signs == ["-", "!", "~", "+"]
        assert "in the way: TXT dagj (hand-made)" in text
        assert "ttl 300 -> 60" in text
        assert "DNS zone qingdao.test" in text
        assert "dns:qingdao.test " not in text

    def test_head_counts_and_what_next(self) -> None:
        text = self.text(
            change("delete", destroys_data=True), guards=[{"code": "x", "detail": "Lost.", "confirm": "dagj"}]
        )
        lines = text.splitlines()
        assert lines[0] == "Plan 7f3a9c1e  observed 2026-11-24T23:08:41+08:00  scope department dagj"
        assert lines[1] == "1 to delete · 2 unchanged (not shown)"
        assert "! destroys data" in text
        assert "! Lost. Needs --confirm=dagj." in text
        assert lines[-1] == "Next: gasp apply 7f3a9c1e --confirm=dagj"

    def test_empty(self) -> None:
        text = self.text()
        assert "Nothing to change" in text
        assert "gasp apply" not in text

    def test_what_was_not_seen_is_named_and_never_called_nothing(self) -> None:
        text = self.text(unmeasured=[{"part": "dns:qingdao.test", "reason": "SERVFAIL"}])
        assert "Could not measure DNS zone qingdao.test: SERVFAIL" in text
        assert "Nothing to change" not in text

    def test_foreign_kept_retiring_affected_and_reloads(self) -> None:
        text = self.text(
            change("update"),
            foreign=[{"id": "dns:x", "kind": "dns.rrset", "label": "test-old"}],
            kept=["a"],
            retiring=[{"id": "b", "until": "2026-11-25T00:00:00+00:00"}],
            affected_tenants=["dagj", "fgw"],
            reloads=[{"host": "web", "service": "nginx", "tenants": ["a", "b"]}],
        )
        for words in (
            "1 foreign object, left alone: test-old",
            "1 hand-made change, kept: a",
            "1 retiring: b",
            "Affects 2 tenants: dagj, fgw",
            "Reloads nginx on web without interruption; 2 tenants live there.",
        ):
            assert words in text

    def test_eleven_thousand_creates_fold_and_unfold(self) -> None:
        changes = [
            change("create", n, kind="dns.rrset" if n % 2 else "directory.person", tenant=f"t{n % 94}")
            for n in range(11_000)
        ]
        folded = self.text(*changes)
        assert len(folded.splitlines()) < 60
        assert "+ create 11,000: 5,500 directory.person, 5,500 dns.rrset" in folded
        assert "… and 10,990 more (--all)" in folded
        assert "… and 82 more tenants (--all)" in folded
        assert len(self.text(*changes, every_line=True).splitlines()) > 11_000

    def test_wide_shows_before_and_after(self) -> None:
        text = self.text(change("update"), wide=True)
        assert "        ttl:\n          - 300\n          + 60" in text
        assert "- 10.94.0.5" in text
        assert "name:" not in text, "what is equal is not shown"


def test_what_a_machine_lacks_says_since_when_and_what_is_kept_back(gasp: Gasp) -> None:
    kept = {**MISSING, "deadline": None, "kept_back": True}
    said = gasp("hosts", "show", "fgw", **{"machines.show": {**SHOWN, "missing": [kept]}}).out
    assert "missing since" in said
    assert "wanted by" not in said
    assert "kept back" in said
    said = gasp("hosts", "show", "fgw", **{"machines.show": {**SHOWN, "missing": [MISSING]}}).out
    assert "wanted by" in said
    assert "kept back" not in said
