"""DNs in one normal form: equal names have one spelling, nothing escapes its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.model.dn import (
    child_dn,
    escape_rdn_value,
    normal_value,
    normalise_dn,
    parent_dn,
    rdn_of,
    split_dn,
)

BASE = "ou=people,ou=jyj,ou=tenants,dc=qingdao,dc=test"
values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.text(
    ' ,+"\\<>;=#\x00a李', min_size=1, max_size=12
)

SAME = [
    ("UID=T01 , OU=People,ou=jyj, ou=tenants,DC=Qingdao,dc=test", f"uid=t01,{BASE}"),
    (r"cn=a\,b,dc=test", r"cn=a\2Cb,dc=test"),
    (r"cn=a\2cb,dc=test", r"cn=a\2Cb,dc=test"),
    (r"cn=\E6\9D\8E\E5\9B\9B,dc=test", "cn=李四,dc=test"),
    (r"cn=a=b,dc=test", r"cn=a\3Db,dc=test"),
    (r"cn=\ a  b\ ,dc=test", "cn=a b,dc=test"),
    (r"cn=\#x,dc=test", r"cn=\23x,dc=test"),
    (r"cn=#,dc=test", None),
    ("uid=b+cn=a,dc=test", "cn=a+uid=b,dc=test"),
    ("cn=a;dc=test", "cn=a,dc=test"),
    ("cn=\\ ,dc=test", r"cn=\20,dc=test"),
    ("", ""),
    ("cn=,dc=test", "cn=,dc=test"),
    ("dc=test,", None),
    ("test", None),
    ("=x,dc=test", None),
    (r"cn=a\xy,dc=test", None),
    (r"cn=a\FF,dc=test", None),
    ('cn="a,b",dc=test', None),
    ("cn=a<b,dc=test", None),
]


@pytest.mark.parametrize(("text", "normal"), SAME, ids=repr)
def test_normal_form(text: str, normal: str | None) -> None:
    if normal is None:
        with pytest.raises(ValueError):  # noqa: PT011
            normalise_dn(text)
    else:
        assert normalise_dn(text) == normal
        assert normalise_dn(normal) == normal


@given(values)
@settings(deadline=None, derandomize=True, max_examples=400)
def test_any_value_stays_in_its_place(value: str) -> None:
    dn = child_dn("cn", value, BASE)
    assert normalise_dn(dn) == dn
    assert parent_dn(dn) == BASE
    assert normalise_dn(f"CN = {escape_rdn_value(value)} , {BASE}") == dn
    parts = split_dn(dn)
    assert len(parts) == len(split_dn(BASE)) + 1
    assert parts[0] == (("cn", normal_value(value)),)
    assert normalise_dn(rdn_of(dn)) == rdn_of(dn)
    assert split_dn(f"cn={escape_rdn_value(value)}")[0] == (("cn", value),)


def test_an_empty_value_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        child_dn("cn", "", BASE)
