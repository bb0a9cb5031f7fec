"""Parse a command line, together with the settings of files and the environment."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from exrbatch.cli import bench_arguments
from exrbatch.cli.argument_parser import EXIT_USAGE, Parser
from exrbatch.cli.commands import Parsers, build_parser
from exrbatch.cli.settings import parse_with_settings, project_note
from exrbatch.suggestions import closest, unknown_name


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. If it is wrong, print why on one line, and exit with 2."""
    if not arguments:
        _show_help(build_parser())
    if arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    parsers = Parsers()
    if (name := " ".join(arguments[:2])) in parsers:
        arguments = [name, *arguments[2:]]
    if arguments[0] not in parsers:
        return _parse_without_command(arguments)
    _check_group(parsers, arguments)
    if arguments[0] == "bench" and bench_arguments.names_json_file(arguments):
        build_parser().error(bench_arguments.JSON_IS_A_FLAG)
    parsed, unknown, settings = parse_with_settings(parsers, arguments[0], arguments[1:])
    parsed.project_note = project_note(settings)
    if unknown:
        command = parsers[arguments[0]]
        command.error(_unknown_argument(unknown[0], command))
    return parsed


def _parse_without_command(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line that does not begin with a command."""
    parser = build_parser()
    if not arguments[0].startswith("-"):
        parser.error(unknown_name("command", arguments[0], parser.commands))
    if arguments[0] not in parser.options():
        parser.error(f"{arguments[0]!r} before the command: options follow it, as in exrbatch recompress PATH -n")
    return parser.parse_args(arguments)


def _check_group(parsers: Parsers, arguments: Sequence[str]) -> None:
    """Refuse a command that only has commands of its own, and needs one of them."""
    group = arguments[0]
    within = [name.removeprefix(f"{group} ") for name in parsers if name.startswith(f"{group} ")]
    if not within or arguments[1:2] in (["-h"], ["--help"]):
        return
    if arguments[1:]:
        build_parser().error(unknown_name(f"{group} command", arguments[1], within))
    _show_help(parsers[group])


def _show_help(parser: Parser) -> NoReturn:
    parser.print_help(sys.stderr)
    parser.exit(EXIT_USAGE)


def _unknown_argument(argument: str, command: Parser) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument {argument!r}"
    close = closest(argument.partition("=")[0], command.options())
    return f"unknown option {argument!r}" + (f"; did you mean {close}?" if close is not None else "")
