"""Click with our manners: help in the reader's language that opens with two examples, commands loaded on demand.

Help sentences are `Text`s and are rendered when printed. Must not import a command module by itself.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from shutil import get_terminal_size
from typing import Any, NoReturn

import click

from control_plane.cli.app import App
from control_plane.cli.terminal import fold, pad
from control_plane.model.text import LOCALES, Text, choose_language, set_language, t

Examples = Sequence[tuple[str, Text]]
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def speak(environ: Mapping[str, str] = os.environ) -> None:
    """Choose the language of this command: GASP_LANG, else the locale; also for Click's own sentences."""
    wanted = next((environ[k] for k in ("GASP_LANG", "LC_ALL", "LC_MESSAGES", "LANG") if environ.get(k)), None)
    language = choose_language(wanted)
    set_language(language)
    # Click asks gettext's global domain, and that one asks LANGUAGE.
    gettext.bindtextdomain("gasp", str(LOCALES))
    gettext.textdomain("gasp")
    os.environ["LANGUAGE"] = language
    # What a number is called Click does not ask for.
    click.types.IntParamType.name = str(t("integer"))
    click.IntRange.name = str(t("integer range"))


class Option(click.Option):
    """An option whose help is a `Text`."""

    def __init__(self, declarations: Sequence[str], help: Text, **attributes: Any) -> None:
        super().__init__(declarations, help=help.msgid, **attributes)
        self.sentence = help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Name and translated help."""
        self.help = str(self.sentence)
        return super().get_help_record(ctx)


class Argument(click.Argument):
    """An argument whose help is a `Text`."""

    def __init__(self, declarations: Sequence[str], help: Text, required: bool | None = None, **attributes: Any):
        super().__init__(declarations, required=required, help=help.msgid, **attributes)
        self.sentence = help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Name and translated help."""
        self.help = str(self.sentence)
        return super().get_help_record(ctx)


def option(*declarations: str, help: Text, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`click.option` with a `Text`."""
    return click.option(*declarations, cls=Option, help=help, **attributes)


def argument(*declarations: str, help: Text, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`click.argument` with a `Text`."""
    return click.argument(*declarations, cls=Argument, help=help, **attributes)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        app = ctx.ensure_object(App)
        if value is not None:
            setattr(app, name, value)

    return callback


def common_options() -> list[click.Parameter]:
    """Options that every command knows."""
    return [
        Option(
            ["--no-color", "colour"],
            t("Print without colour; NO_COLOR and TERM=dumb do the same."),
            flag_value=False,
            type=click.UNPROCESSED,
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_keep("colour"),
        ),
        Option(
            ["--debug"],
            t("Show where in the program an error arose."),
            flag_value=True,
            type=click.UNPROCESSED,
            is_flag=True,
            default=None,
            expose_value=False,
            is_eager=True,
            callback=_keep("debug"),
        ),
    ]


class _Helpful(click.Command):
    """Help that teaches: examples first, then usage, then every argument and option."""

    sentence: Text
    examples: Examples

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Our own first, then the common ones, then help."""
        own = super().get_params(ctx)
        return [*own[:-1], *self.common, own[-1]]

    @property
    def common(self) -> list[click.Parameter]:
        """The common options, made once a command."""
        if not hasattr(self, "_common"):
            self._common = common_options()
        return self._common

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence of the help."""
        return str(self.sentence).split("\n", 1)[0].rstrip(".。")

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """`-h, --help`, translated."""

        def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:
            if value and not ctx.resilient_parsing:
                click.echo(ctx.get_help())
                ctx.exit()

        return Option(
            ["-h", "--help"], t("Show this message and exit."), is_flag=True, is_eager=True, expose_value=False,
            callback=show,
        )  # fmt: skip

    def get_help(self, ctx: click.Context) -> str:
        """The whole help page as text."""
        width = min(get_terminal_size((100, 24)).columns, 110)
        usage = " ".join([ctx.command_path, *self.collect_usage_pieces(ctx)])
        blocks = [
            _block(t("Examples:"), [(line, str(why)) for line, why in self.examples], width),
            f"{t('Usage:')} {usage}",
            "\n".join(line for paragraph in str(self.sentence).split("\n") for line in fold(paragraph, width)),
        ]
        arguments = [p.get_help_record(ctx) for p in self.get_params(ctx) if isinstance(p, Argument)]
        options = [p.get_help_record(ctx) for p in self.get_params(ctx) if isinstance(p, click.Option)]
        blocks.append(_block(t("Arguments:"), [r for r in arguments if r], width))
        blocks.extend(self.more_help(ctx, width))
        blocks.append(_block(t("Options:"), [r for r in options if r], width))
        return "\n\n".join(block for block in blocks if block)

    def more_help(self, ctx: click.Context, width: int) -> Iterable[str]:
        """Further blocks."""
        return ()


def _block(title: Text, rows: Sequence[tuple[str, str]], width: int) -> str:
    if not rows:
        return ""
    column = min(max(len(name) for name, _ in rows), 44) + 2
    lines = [str(title)]
    for name, text in rows:
        folded = list(fold(text, max(width - column - 2, 30))) or [""]
        if len(name) > column - 2:
            lines.append(f"  {name}")
        else:
            lines.append(f"  {pad(name, column)}{folded.pop(0)}".rstrip())
        lines.extend(" " * (column + 2) + line for line in folded)
    return "\n".join(lines)


class Command(_Helpful):
    """One verb. `callback` is called with the app first."""

    def __init__(self, *, sentence: Text, examples: Examples, help: str | None = None, **attributes: Any) -> None:
        attributes["context_settings"] = {**CONTEXT, **(attributes.get("context_settings") or {})}
        super().__init__(help=sentence.msgid, **attributes)  # `help` is the docstring, for readers of the code
        self.sentence, self.examples = sentence, examples


class Group(_Helpful, click.Group):
    """A noun. `lazy` maps a verb to its module and its one-line help, so that listing verbs loads nothing."""

    def __init__(
        self, *, sentence: Text, examples: Examples, lazy: Mapping[str, tuple[str, Text]] | None = None, **rest: Any
    ) -> None:
        rest.setdefault("context_settings", CONTEXT)
        super().__init__(help=sentence.msgid, no_args_is_help=True, **rest)
        self.sentence, self.examples, self.lazy = sentence, examples, dict(lazy or {})

    def verb(
        self, name: str, *, sentence: Text, examples: Examples, **attributes: Any
    ) -> Callable[[Callable[..., Any]], click.Command]:
        """Make a function a verb of this noun."""

        def decorate(function: Callable[..., Any]) -> click.Command:
            command = click.command(name, cls=Command, sentence=sentence, examples=examples, **attributes)(function)
            self.add_command(command)
            return command

        return decorate

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of declaration: the daily ones first."""
        return list(dict.fromkeys([*self.lazy, *self.commands]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the module of a verb when it is wanted."""
        if cmd_name in self.lazy and cmd_name not in self.commands:
            module = import_module(f"control_plane.cli.{self.lazy[cmd_name][0]}")
            self.commands[cmd_name] = getattr(module, cmd_name.replace("-", "_"))
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb, or the nearest ones that exist."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            self._refuse(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _refuse(self, ctx: click.Context, word: str) -> NoReturn:
        names = self.list_commands(ctx)
        near = get_close_matches(word, names, 3, 0.6)
        noun = ctx.command_path
        hint = (
            t("Did you mean {near}?", near=", ".join(f"{noun} {n}" for n in near))
            if near
            else t("See {command} --help.", command=noun)
        )
        raise click.UsageError(f"{t('{noun} knows no “{word}”.', noun=noun, word=word)} {hint}", ctx)

    def more_help(self, ctx: click.Context, width: int) -> Iterable[str]:
        """The verbs."""
        rows = []
        for name in self.list_commands(ctx):
            if name in self.lazy:
                rows.append((name, str(self.lazy[name][1]).rstrip(".。")))
            elif not self.commands[name].hidden:
                rows.append((name, self.commands[name].get_short_help_str()))
        yield _block(t("Commands:"), rows, width)
