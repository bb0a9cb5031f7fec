"""The arguments of every command.

Each command names the module that runs it, and `main` imports only that module. The commands that
need user interface libraries import them. Defaults and choices of a recompression come from
`RecompressRules`.
"""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

from exrbatch.cli import bench_arguments, check_arguments, digest_arguments, setting_arguments
from exrbatch.cli.bench_arguments import add_bench_arguments
from exrbatch.cli.check_arguments import add_check_arguments
from exrbatch.cli.digest_arguments import add_digest_arguments
from exrbatch.cli.recompress_arguments import add_recompress_arguments
from exrbatch.cli.settings import add_setting_options, parse_with_settings, project_note
from exrbatch.cli.shared_arguments import (
    add_decoder,
    add_jobs,
    add_reporting,
    add_run_options,
    add_selection,
    add_timeout,
)
from exrbatch.recompression.choices import Verify
from exrbatch.suggestions import closest, unknown_name
from exrbatch.text import safe_text

EXIT_USAGE = 2
EXIT_CODES = """\
exit codes:
  0              all done
  1              some files failed, differ or are missing in the output, or all were skipped for one reason
  2              wrong usage
  3              stopped early, for example because the disk is full
  129, 130, 143  stopped by a signal"""
EXAMPLES = """\
examples:
  exrbatch recompress shots/ab010 --dry-run
  exrbatch recompress 'shots/ab010/beauty.####.exr' -c piz
  exrbatch recompress shots/ab010 --output /archive/ab010"""
DOCS = "docs/guide.md explains every task, docs/safety.md says what is guaranteed."


class _Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its messages.

    The parsers of the commands are also of this class.

    Attributes:
        commands: the parser of each command.
    """

    commands: Mapping[str, "_Parser"] = MappingProxyType({})

    def error(self, message: str) -> NoReturn:
        """Print the message on one line, and exit with 2."""
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


class _Commands:
    """The commands of a parser.

    Attributes:
        parsers: the parser of each command, by name, in the order in which they were added.
    """

    def __init__(self, parser: "_Parser") -> None:
        self._parsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
        self.parsers: dict[str, _Parser] = {}

    def add(
        self, name: str, summary: str, description: str, *, uses_workers: bool = True, epilog: str = DOCS
    ) -> "_Parser":
        """Add a command, which the function `run` of the module `exrbatch.cli.NAME` runs.

        Args:
            name: what the user types.
            summary: its line in the list of commands.
            description: the beginning of the command's own help.
            uses_workers: whether to prepare worker processes while the command loads.
            epilog: the end of the command's own help.
        """
        command = self._parsers.add_parser(
            name, help=summary, description=_wrapped(description), epilog=epilog, formatter_class=_help_formatter
        )
        command.set_defaults(module=f"exrbatch.cli.{name}", uses_workers=uses_workers)
        self.parsers[name] = command
        return command


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. If it is wrong, print why on one line, and exit with 2."""
    parser = build_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        parser.exit(EXIT_USAGE)
    if arguments[0] == "help":
        arguments = [*arguments[1:2], "--help"]
    if arguments[0].startswith("-") and arguments[0] not in parser.options():
        parser.error(f"{arguments[0]!r} before the command: options follow it, as in exrbatch recompress PATH -n")
    if not arguments[0].startswith("-") and arguments[0] not in parser.commands:
        parser.error(unknown_name("command", arguments[0], parser.commands))
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


def _unknown_argument(argument: str, command: "_Parser") -> str:
    if not argument.startswith("-"):
        return f"unexpected argument {argument!r}"
    close = closest(argument.partition("=")[0], command.options())
    return f"unknown option {argument!r}" + (f"; did you mean {close}?" if close is not None else "")


def build_parser() -> "_Parser":
    """Build the parser of all commands."""
    from exrbatch import __version__

    parser = _Parser(
        prog="exrbatch",
        description="Recompress OpenEXR files losslessly and in place, tens of thousands at a time.",
        epilog=f"exrbatch help COMMAND explains a command.\n{DOCS}",
        formatter_class=_help_formatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"exrbatch {__version__}")
    commands = _Commands(parser)
    _add_recompress(commands)
    _add_verify(commands)
    add_check_arguments(
        commands.add(
            "check", check_arguments.SUMMARY, check_arguments.DESCRIPTION, epilog=f"{check_arguments.EPILOG}\n\n{DOCS}"
        )
    )
    add_digest_arguments(
        commands.add(
            "digest",
            digest_arguments.SUMMARY,
            digest_arguments.DESCRIPTION,
            epilog=f"{digest_arguments.EPILOG}\n\n{DOCS}",
        )
    )
    _add_bench(commands)
    _add_demo(commands)
    _add_doctor(commands)
    _add_clean(commands)
    compressions = commands.add(
        "compressions",
        "list the compressions: what they preserve, and which OpenEXR releases read them",
        "List the compressions: lines per chunk, whether they are lossless, and which OpenEXR releases read them.",
        uses_workers=False,
    )
    compressions.add_argument("--json", action="store_true", help="print one JSON document")
    _add_settings(commands)
    for name, command in commands.parsers.items():
        if command.get_default("uses_workers") or name == "config":
            add_setting_options(command)
    parser.commands = commands.parsers
    return parser


def _add_recompress(commands: _Commands) -> None:
    command = commands.add(
        "recompress",
        "recompress files, folders and frame sequences",
        "Recompress OpenEXR files losslessly. Each new file is read back and compared with the original before it"
        " replaces it.",
        epilog=f"{EXAMPLES}\n\n{EXIT_CODES}\n\n{DOCS}",
    )
    add_recompress_arguments(command)


def _add_verify(commands: _Commands) -> None:
    command = commands.add(
        "verify",
        "compare two files or two trees, and say where they differ; or a tree with a list of digests",
        "Compare two files, or two folders file by file: every attribute except the compression, and every bit of"
        " every sample. Say where they first differ: part, level, chunk, channel, pixel. With --digests, compare with a"
        " list instead. Nothing is changed.",
        epilog="examples:\n  exrbatch verify shots/ab010 /archive/ab010\n"
        f"  exrbatch verify --digests ab010.sha256 /archive/ab010\n\n{EXIT_CODES}\n\n{DOCS}",
    )
    command.add_argument("a", metavar="A", help="a file, or a folder (searched recursively)")
    command.add_argument("b", metavar="B", nargs="?", help="a file, or a folder with the same files in the same places")
    command.add_argument(
        "--digests",
        metavar="LIST",
        help="instead of B: compare A with the content digests in LIST, which exrbatch digest has printed, or with"
        " those in the records of --report or --json; - reads stdin",
    )
    add_decoder(
        command,
        "decoder used to read B: library (OpenEXR itself, but our own code for deep data) or native (our own code for"
        " NONE, ZIP, ZIPS and ZSTD); A is always read by our own code where possible",
    )
    command.add_argument(
        "--native", action="store_const", const=Verify.NATIVE, dest="decoder", help=argparse.SUPPRESS
    )  # the name that --decoder native had at first
    add_selection(command)
    add_jobs(command)
    add_timeout(command)
    add_reporting(command)


def _add_bench(commands: _Commands) -> None:
    add_bench_arguments(commands.add("bench", bench_arguments.SUMMARY, bench_arguments.DESCRIPTION))


def _add_demo(commands: _Commands) -> None:
    command = commands.add(
        "demo",
        "write a small uncompressed sequence and recompress it",
        "Write a few realistic uncompressed frames to DIR (about 100 MB), then recompress them there.",
    )
    command.add_argument("directory", metavar="DIR", help="a folder that does not exist yet, or an empty one")
    command.add_argument("--frames", type=int, default=12, metavar="N", help="number of frames (default: %(default)s)")
    add_run_options(command)
    add_jobs(command)


def _add_doctor(commands: _Commands) -> None:
    command = commands.add(
        "doctor",
        "find out what exrbatch can do on this machine and in given folders",
        "Print versions, cores and limits, and for each path what its storage can do and what that means for runs in"
        " place, with -o and with backups. Temporary files are created in each folder, and removed. The exit code is 0"
        " if every path can be processed as asked, and 1 if not.",
    )
    command.add_argument("paths", metavar="PATH", nargs="*", help="a folder, a file or a frame sequence")
    command.add_argument("-o", "--output", metavar="DIR", help="ask about a run that writes its results to DIR")
    command.add_argument("--backup-dir", metavar="DIR", help="ask about a run that keeps backups in DIR")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_clean(commands: _Commands) -> None:
    command = commands.add(
        "clean",
        "list what killed runs have left behind, and remove what nobody needs",
        "List the temporary files of exrbatch in some folders: what each one is, and whether anybody needs it."
        " With --yes, remove those that are provably superfluous. Every run does that in its folders, too.",
        uses_workers=False,
        epilog="exit codes:\n  0  nothing is left that needs a decision\n  1  something is",
    )
    command.add_argument("paths", metavar="PATH", nargs="+", help="a folder (searched recursively)")
    command.add_argument("--yes", action="store_true", help="remove the superfluous files")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_settings(commands: _Commands) -> None:
    each = setting_arguments
    config = commands.add("config", each.CONFIG_SUMMARY, each.CONFIG_DESCRIPTION, uses_workers=False)
    each.add_config_arguments(config)
    completion = commands.add(
        "completion",
        each.COMPLETION_SUMMARY,
        each.COMPLETION_DESCRIPTION,
        uses_workers=False,
        epilog=each.COMPLETION_EPILOG,
    )
    each.add_completion_arguments(completion)


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    """Use colours on a terminal only: without them, rich need not be imported."""
    if not sys.stdout.isatty():
        return argparse.RawDescriptionHelpFormatter(prog)
    from rich_argparse import RawDescriptionRichHelpFormatter

    return RawDescriptionRichHelpFormatter(prog)


def _wrapped(text: str) -> str:
    """Wrap a paragraph for the terminal, because the help keeps the lines of texts."""
    return textwrap.fill(text, max(20, shutil.get_terminal_size().columns - 2))
