"""A sheet of one-time passwords on paper: one slip a person, to be cut apart. As PDF and as CSV; pure.

The PDF names the standard Chinese font and does not carry it: every viewer of Chinese text has one.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from control_plane.model.spreadsheet import as_csv
from control_plane.model.text import Text, t

FIELDS = ("uid", "name", "password")
_WIDTH, _HEIGHT, _MARGIN, _SLIP = 595, 842, 50, 92
_A_PAGE = (_HEIGHT - 2 * _MARGIN - 40) // _SLIP


def sheet_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """For a spreadsheet."""
    return as_csv(FIELDS, rows).encode()


def sheet_pdf(tenant: str, until: str, rows: Sequence[Mapping[str, str]]) -> bytes:
    """A4 pages with a slip for each person; `until`: the last day."""
    pages = [_page(tenant, until, rows[at : at + _A_PAGE]) for at in range(0, len(rows), _A_PAGE)]
    return _file(pages)


def _page(tenant: str, until: str, rows: Sequence[Mapping[str, str]]) -> str:
    title = t(
        "{tenant}: first passwords, good until {day}. Cut apart and hand out one by one.", tenant=tenant, day=until
    )
    drawn = [_text(_MARGIN, _HEIGHT - _MARGIN, 11, title)]
    top = _HEIGHT - _MARGIN - 30
    for row in rows:
        drawn.append(f"0.6 w [4 3] 0 d {_MARGIN} {top} m {_WIDTH - _MARGIN} {top} l S")
        drawn.append(_text(_MARGIN, top - 22, 13, f"{row['name']}   {row['uid']}"))
        drawn.append(f"BT /F2 16 Tf {_MARGIN} {top - 46} Td ({row['password']}) Tj ET")
        drawn.append(_text(_MARGIN, top - 66, 9, t("Good for one sign-in: you then choose a password of your own.")))
        top -= _SLIP
    return "\n".join(drawn)


def _text(x: int, y: int, size: int, said: Text | str) -> str:
    return f"BT /F1 {size} Tf {x} {y} Td <{str(said).encode('utf-16-be').hex()}> Tj ET"


def _file(pages: Sequence[str]) -> bytes:
    kids = " ".join(f"{7 + 2 * n} 0 R" for n in range(len(pages)))
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UTF16-H /DescendantFonts [4 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /FontDescriptor 5 0 R /DW 1000 /W [1 95 500]"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> >>",
        b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 4 /FontBBox [-25 -254 1000 880] /ItalicAngle 0"
        b" /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold >>",
    ]
    for number, drawn in enumerate(pages):
        fonts = "/Resources << /Font << /F1 3 0 R /F2 6 0 R >> >>"
        box = f"/MediaBox [0 0 {_WIDTH} {_HEIGHT}]"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} {fonts} /Contents {8 + 2 * number} 0 R >>".encode())
        packed = zlib.compress(drawn.encode())
        head = f"<< /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode()
        objects.append(head + packed + b"\nendstream")
    made, places = bytearray(b"%PDF-1.5\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(made)
    made += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    made += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    made += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(made)
