"""What a file is, by its content; what it is called, without what could lead elsewhere."""

from __future__ import annotations

import io
import zipfile

import pytest

from control_plane.model.errors import Problem
from control_plane.model.file_kind import KINDS, FileKind, file_kind, shown_name

ODT = "application/vnd.oasis.opendocument.text"


def office(**parts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name.replace("__", "/").replace("_", "."), content)
        packed.writestr("[Content_Types].xml", "<Types/>")
    return buffer.getvalue()


def turned(content: bytes, method: int) -> list[bytes]:
    """The same parts packed by `method`, once with each octet wrong."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as plain, zipfile.ZipFile(buffer, "w", method) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name) * 20)
    whole = buffer.getvalue()
    return [whole[:place] + bytes([octet ^ 0xFF]) + whole[place + 1 :] for place, octet in enumerate(whole)]


DOCX = office(word__document_xml="<w/>")


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"%PDF-1.7\n...\n%%EOF\n", "a.exe", "pdf"),
        (b"\x89PNG\r\n\x1a\n....IEND\xaeB`\x82", "a", "png"),
        (b"\xff\xd8\xff\xe0....\xff\xd9", "a.png", "jpg"),
        (DOCX, "a.docx", "docx"),
        (office(xl__workbook_xml="<x/>"), "a", "xlsx"),
        (office(mimetype=ODT), "a", "odt"),
        ("姓名,电话\n".encode(), "a.csv", "csv"),
        ("姓名,电话\n".encode("gb18030"), "a.txt", "txt"),
    ],
)
def test_the_content_says_what_it_is(content: bytes, name: str, kind: str) -> None:
    assert file_kind(content, name, "file") == KINDS[kind]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"MZ\x90", "file-kind"), (b"\x7fELF", "file-kind"), (b"<svg onload=x>", "file-kind"),
        (b"#!/bin/sh", "file-kind"),
        (b"\xef\xbb\xbf <!doctype html>", "file-kind"), (b"{\\rtf1", "file-kind"), (b"\xd0\xcf\x11\xe0", "file-kind"),
        (b"a\x00b", "file-kind"), (b"", "file-kind"), (b"%PDF-1.4", "file-damaged"), (b"PK\x03\x04", "file-damaged"),
        (DOCX[:-9], "file-damaged"), (office(readme_txt="x"), "file-kind"),
        (office(word__document_xml="x", word__vbaProject_bin="x"), "file-macros"),
        (office(word__document_xml="x", word__embeddings__a_exe="x"), "file-macros"),
        (office(mimetype=ODT, Basic__Standard__a_xml="x"), "file-macros"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_whatever_it_is_called(content: bytes, code: str) -> None:
    found = file_kind(content, "harmless.pdf", "file")
    assert isinstance(found, Problem)
    assert found.code == code
    assert found.remedy is not None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("通知.pdf", "通知.pdf"), ("../../etc/passwd", "passwd.pdf"), ("C:\\Users\\a\\报告.PDF", "报告.pdf"),
        ("", "file.pdf"),
        ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie x.pdf".replace(" ", ": ", 1)), ("\u202egnp.exe", "gnp.exe.pdf"),
        ("x" * 300 + ".pdf", "x" * 120 + ".pdf"), ("...", "file.pdf"), ("a.pdf.exe", "a.pdf.exe.pdf"),
    ],
)  # fmt: skip
def test_names_lead_nowhere(name: str, shown: str) -> None:
    assert shown_name(name, KINDS["pdf"]) == shown
    assert isinstance(KINDS["pdf"], FileKind)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_office_file_with_turned_bytes_is_a_problem_and_no_fault(method: int) -> None:
    found = [file_kind(content, "a.docx", "file") for content in turned(office(mimetype=ODT), method)]
    assert {"file-damaged"} <= {one.code for one in found if isinstance(one, Problem)}


def test_no_more_of_a_part_is_read_than_tells_the_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("a part is read whole"))
    assert file_kind(office(mimetype=ODT), "a.odt", "file") == KINDS["odt"]
