"""Parse a command line, together with the settings of files and the environment."""

import argparse
import sys
from collections.abc import Sequence

from exrbatch.cli import bench_arguments
from exrbatch.cli.argument_parser import EXIT_USAGE, Parser
from exrbatch.cli.commands import build_parser
from exrbatch.cli.settings import parse_with_settings, project_note
from exrbatch.suggestions import closest, unknown_name


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. If it is wrong, print why on one line, and exit with 2."""
    parser = build_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        parser.exit(EXIT_USAGE)
    if arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    if (name := " ".join(arguments[:2])) in parser.commands:
        arguments = [name, *arguments[2:]]
    if arguments[0].startswith("-") and arguments[0] not in parser.options():
        parser.error(f"{arguments[0]!r} before the command: options follow it, as in exrbatch recompress PATH -n")
    if not arguments[0].startswith("-") and arguments[0] not in parser.commands:
        parser.error(unknown_name("command", arguments[0], parser.commands))
    _check_group(parser, arguments)
    if arguments[0] == "bench" and bench_arguments.names_json_file(arguments):
        parser.error(bench_arguments.JSON_IS_A_FLAG)
    if arguments[0] not in parser.commands:
        return parser.parse_args(arguments)
    parsed, unknown, settings = parse_with_settings(parser.commands, arguments[0], arguments[1:])
    parsed.project_note = project_note(settings)
    if unknown:
        command = parser.commands[arguments[0]]
        command.error(_unknown_argument(unknown[0], command))
    return parsed


def _check_group(parser: Parser, arguments: Sequence[str]) -> None:
    """Refuse a command that only has commands of its own, and needs one of them."""
    group = arguments[0]
    within = [name.removeprefix(f"{group} ") for name in parser.commands if name.startswith(f"{group} ")]
    if not within or arguments[1:2] in (["-h"], ["--help"]):
        return
    if arguments[1:]:
        parser.error(unknown_name(f"{group} command", arguments[1], within))
    parser.commands[group].print_help(sys.stderr)
    parser.exit(EXIT_USAGE)


def _unknown_argument(argument: str, command: Parser) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument {argument!r}"
    close = closest(argument.partition("=")[0], command.options())
    return f"unknown option {argument!r}" + (f"; did you mean {close}?" if close is not None else "")
