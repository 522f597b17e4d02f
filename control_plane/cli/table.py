"""Plain tables: columns aligned by terminal cells, nothing cut off, no colour of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len

from control_plane.cli.terminal import pad

GAP = "  "


def layout(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool] = (),
    paint: Callable[[int, int, str], str] = lambda row, column, text: text,
) -> str:
    """A head line and one line a row. `paint(row, column, padded text)` may add colour; row -1 is the head."""
    aligned = [*right, *([False] * (len(heads) - len(right)))]
    last = len(heads) - 1
    widths = [
        max([cell_len(head), *(cell_len(row[i]) for row in rows)]) if i < last or aligned[i] else 0
        for i, head in enumerate(heads)
    ]
    lines = []
    for number, row in enumerate([heads, *rows], -1):
        cells = [
            paint(number, i, pad(text, widths[i], right=aligned[i]) if aligned[i] or i + 1 < len(row) else text)
            for i, text in enumerate(row)
        ]
        lines.append(GAP.join(cells).rstrip())
    return "\n".join(lines)
