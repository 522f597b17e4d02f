"""Files that commands write: a place is looked at before anything is done, so that nothing is done for nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import click

from control_plane.cli.app import App
from control_plane.model.text import t


class Place(click.Path):
    """A file that is written, or with `folder` a folder, made if missing. `fresh`: the file must not be there yet."""

    def __init__(self, *, folder: bool = False, fresh: bool = True) -> None:
        super().__init__(file_okay=not folder, dir_okay=folder, path_type=Path)
        self.folder, self.fresh = folder, fresh and not folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; ends the command, naming the option, when nothing can be written there."""
        path = cast("Path", super().convert(value, param, ctx))
        if self.fresh and path.exists():
            self.fail(str(t("{file} exists already. Name another one.", file=path)), param, ctx)
        ways = [path, *path.parents] if self.folder else [path.parent]
        above = next((way for way in ways if way.exists()), ways[-1])
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            said = t(
                "{file} cannot be written: {folder} is no folder in which you may write. Make it, or name another"
                " place.",
                file=path,
                folder=above,
            )
            self.fail(str(said), param, ctx)
        return path


def keep(app: App, path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file that is not there yet, and say how large it is."""
    from control_plane.model.volume import volume_words

    path.touch(mode=mode, exist_ok=False)
    path.write_bytes(content)
    app.note(t("{file}: {size}.", file=path, size=volume_words(len(content))))
