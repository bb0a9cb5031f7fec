"""The parser class of all commands, and how their help is laid out."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

from exrbatch.text import safe_text

EXIT_USAGE = 2


class Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its messages.

    The parsers of the commands are also of this class.

    Attributes:
        commands: the parser of each command.
    """

    commands: Mapping[str, "Parser"] = MappingProxyType({})

    def error(self, message: str) -> NoReturn:
        """Print the message on one line, and exit with 2. It begins with the option."""
        message = message.removeprefix("argument ")
        self.exit(EXIT_USAGE, f"{self.prog}: {safe_text(message)} ({self.prog} --help explains the options)\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments as usual, but take -2 for a number even if -0 is an option."""
        self._has_negative_number_optionals.clear()
        return super().parse_known_args(args, namespace)

    def options(self) -> list[str]:
        """List the names of all options that the help shows."""
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        return [name for action in shown for name in action.option_strings]


def help_formatter(prog: str) -> argparse.HelpFormatter:
    """Use colours on a terminal only: without them, rich need not be imported."""
    if not sys.stdout.isatty():
        return argparse.RawDescriptionHelpFormatter(prog)
    from rich_argparse import RawDescriptionRichHelpFormatter

    return RawDescriptionRichHelpFormatter(prog)


def wrapped(text: str) -> str:
    """Wrap a paragraph for the terminal, because the help keeps the lines of texts."""
    return textwrap.fill(text, max(20, shutil.get_terminal_size().columns - 2))
