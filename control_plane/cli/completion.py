"""`gasp completion`: the script that teaches a shell our nouns, verbs and options."""

from __future__ import annotations

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command, argument
from control_plane.model.text import t


@click.command(
    cls=Command,
    sentence=t("Print the completion script of a shell."),
    examples=(
        ('eval "$(gasp completion bash)"', t("complete in this shell")),
        ("gasp completion fish > ~/.config/fish/completions/gasp.fish", t("for good, in fish")),
    ),
)
@argument("shell", help=t("Which shell."), type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """`gasp completion SHELL`."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    root = ctx.find_root().command
    if found is None:
        raise click.UsageError(str(t("There is no completion for this shell.")))
    app: App = ctx.ensure_object(App)
    app.out(found(root, {}, "gasp", "_GASP_COMPLETE").source())
