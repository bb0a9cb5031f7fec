"""All commands, with their arguments and help.

Each command names the module that runs it, and `main` imports only that module. The commands that
need user interface libraries import them. Defaults and choices of a recompression come from
`RecompressRules`.

The parser of a command is made when it is needed: making all of them takes longer than starting
Python.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from exrbatch.cli import bench_arguments as bench
from exrbatch.cli import check_arguments as check
from exrbatch.cli import cluster_arguments as cluster
from exrbatch.cli import digest_arguments as digest
from exrbatch.cli import history_arguments as history
from exrbatch.cli import scan_arguments as scan
from exrbatch.cli import setting_arguments as setting
from exrbatch.cli import shard_arguments as shard
from exrbatch.cli import steering_arguments as steering
from exrbatch.cli.argument_parser import Parser, help_formatter, wrapped
from exrbatch.cli.limit_arguments import add_limits
from exrbatch.cli.recompress_arguments import add_recompress_arguments
from exrbatch.cli.selection_arguments import add_allow_empty, add_size_limits
from exrbatch.cli.settings import add_setting_options
from exrbatch.cli.shared_arguments import (
    add_decoder,
    add_jobs,
    add_reporting,
    add_run_options,
    add_selection,
    add_timeout,
)
from exrbatch.recompression.choices import Verify

EXIT_CODES = """\
exit codes:
  0              all done
  1              some files failed, differ or are missing in the output, or all were skipped for one reason
  2              wrong usage
  3              stopped early, for example because the disk is full, or by the key q
  129, 130, 143  stopped by a signal"""
EXAMPLES = """\
examples:
  exrbatch recompress shots/ab010 --dry-run
  exrbatch recompress 'shots/ab010/beauty.####.exr' -c piz
  exrbatch recompress shots/ab010 --output /archive/ab010"""
DOCS = "docs/guide.md explains every task, docs/safety.md says what is guaranteed."


class Command(NamedTuple):
    """A command, and how its parser is made. The function `run` of its module runs it.

    Attributes:
        name: what the user types; the commands of a group begin with the name of the group.
        summary: its line in the list of commands.
        description: the beginning of its own help.
        add_arguments: adds its arguments to its parser.
        epilog: the end of its own help.
        uses_workers: whether to prepare worker processes while it loads.
        module: the module in `exrbatch.cli` that runs it; empty if that is called like the command.
        has_settings: whether files and the environment can set its options although it uses no
            workers. Those of commands with workers always can be set.
        defaults: more values that its module gets.
    """

    name: str
    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    epilog: str = DOCS
    uses_workers: bool = True
    module: str = ""
    has_settings: bool = False
    defaults: Mapping[str, object] = MappingProxyType({})

    def texts(self) -> dict[str, Any]:
        """Return what its parser is made with."""
        return {
            "description": wrapped(self.description),
            "epilog": self.epilog,
            "formatter_class": help_formatter,
        }

    def fill(self, parser: Parser) -> Parser:
        """Add arguments and defaults to its parser, and return it."""
        module = self.module or self.name.replace(" ", "_")
        parser.set_defaults(module=f"exrbatch.cli.{module}", uses_workers=self.uses_workers, **self.defaults)
        self.add_arguments(parser)
        if self.uses_workers or self.has_settings:
            add_setting_options(parser)
        return parser


def _add_verify(command: argparse.ArgumentParser) -> None:
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
        " NONE, RLE, ZIP, ZIPS and ZSTD); A is always read by our own code where possible",
    )
    command.add_argument(
        "--native", action="store_const", const=Verify.NATIVE, dest="decoder", help=argparse.SUPPRESS
    )  # the name that --decoder native had at first
    add_selection(command)
    add_size_limits(command)
    add_allow_empty(command)
    add_jobs(command)
    add_timeout(command)
    add_limits(command.add_argument_group("limits of the run"))
    add_reporting(command)


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("directory", metavar="DIR", help="a folder that does not exist yet, or an empty one")
    command.add_argument("--frames", type=int, default=12, metavar="N", help="number of frames (default: %(default)s)")
    add_run_options(command)
    add_jobs(command)


def _add_doctor(command: argparse.ArgumentParser) -> None:
    command.add_argument("paths", metavar="PATH", nargs="*", help="a folder, a file or a frame sequence")
    command.add_argument("-o", "--output", metavar="DIR", help="ask about a run that writes its results to DIR")
    command.add_argument("--backup-dir", metavar="DIR", help="ask about a run that keeps backups in DIR")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_clean(command: argparse.ArgumentParser) -> None:
    command.add_argument("paths", metavar="PATH", nargs="+", help="a folder (searched recursively)")
    command.add_argument("--yes", action="store_true", help="remove the superfluous files")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_nothing(_command: argparse.ArgumentParser) -> None:
    """Add no arguments: the command is a group, or has none."""


def _steering(texts: tuple[str, str, str], add_arguments: Callable[[argparse.ArgumentParser], None]) -> Command:
    """Return a command to a run."""
    command = Command(*texts, add_arguments, uses_workers=False)
    if command.name in ("ps", "attach"):
        return command
    return command._replace(module="steer", defaults={"steer": command.name})


COMMANDS = (
    Command(
        "recompress",
        "recompress files, folders and frame sequences",
        "Recompress OpenEXR files losslessly. Each new file is read back and compared with the original before it"
        " replaces it.",
        add_recompress_arguments,
        f"{EXAMPLES}\n\n{EXIT_CODES}\n\n{DOCS}",
    ),
    Command(
        "verify",
        "compare two files or two trees, and say where they differ; or a tree with a list of digests",
        "Compare two files, or two folders file by file: every attribute except the compression, and every bit of"
        " every sample. Say where they first differ: part, level, chunk, channel, pixel. Nothing is changed.",
        _add_verify,
        "examples:\n  exrbatch verify shots/ab010 /archive/ab010\n"
        f"  exrbatch verify --digests ab010.sha256 /archive/ab010\n\n{EXIT_CODES}\n\n{DOCS}",
    ),
    Command("check", check.SUMMARY, check.DESCRIPTION, check.add_check_arguments, f"{check.EPILOG}\n\n{DOCS}"),
    Command("digest", digest.SUMMARY, digest.DESCRIPTION, digest.add_digest_arguments, f"{digest.EPILOG}\n\n{DOCS}"),
    Command("scan", scan.SUMMARY, scan.DESCRIPTION, scan.add_scan_arguments, f"{scan.EPILOG}\n\n{DOCS}"),
    Command("bench", bench.SUMMARY, bench.DESCRIPTION, bench.add_bench_arguments),
    Command(
        "demo",
        "write a small uncompressed sequence and recompress it",
        "Write a few realistic uncompressed frames to DIR (about 100 MB), then recompress them there.",
        _add_demo,
    ),
    Command(
        "doctor",
        "find out what exrbatch can do on this machine and in given folders",
        "Print versions, cores and limits, and for each path what its storage can do and what that means for runs in"
        " place, with -o and with backups. Temporary files are created in each folder, and removed. The exit code is 0"
        " if every path can be processed as asked, and 1 if not.",
        _add_doctor,
    ),
    Command(
        "clean",
        "list what killed runs have left behind, and remove what nobody needs",
        "List the temporary files of exrbatch in some folders: what each one is, and whether anybody needs it."
        " With --yes, remove those that are provably superfluous. Every run does that in its folders, too.",
        _add_clean,
        "exit codes:\n  0  nothing is left that needs a decision\n  1  something is",
        uses_workers=False,
    ),
    Command("shard", shard.SUMMARY, shard.DESCRIPTION, _add_nothing, uses_workers=False),
    Command(
        *shard.PLAN,
        shard.add_plan_arguments,
        f"{shard.PLAN_EPILOG}\n\n{shard.DOCS}",
        uses_workers=False,
        has_settings=True,
    ),
    Command(*shard.RUN, shard.add_run_arguments, f"{EXIT_CODES}\n\n{shard.DOCS}", uses_workers=False),
    Command(*shard.STATUS, shard.add_status_arguments, f"{shard.STATUS_EPILOG}\n\n{shard.DOCS}", uses_workers=False),
    Command(*shard.RETRY, shard.add_retry_arguments, shard.DOCS, uses_workers=False),
    *itertools.starmap(_steering, steering.COMMANDS.items()),
    Command(
        "worker",
        *cluster.WORKER,
        cluster.add_worker_arguments,
        f"{cluster.WORKER_EPILOG}\n\n{DOCS}",
        uses_workers=False,
    ),
    Command(
        "compressions",
        "list the compressions: what they preserve, and which OpenEXR releases read them",
        "List the compressions: lines per chunk, whether they are lossless, and which OpenEXR releases read them.",
        _add_json,
        uses_workers=False,
    ),
    Command("report", *history.REPORT, history.add_report_arguments, uses_workers=False),
    Command(
        "continue",
        *history.CONTINUE,
        history.add_continue_arguments,
        f"{EXIT_CODES}\n\n{DOCS}",
        uses_workers=False,
        module="continue_run",
    ),
    Command("retry", *history.RETRY, history.add_retry_arguments, f"{EXIT_CODES}\n\n{DOCS}", uses_workers=False),
    Command("undo", *history.UNDO, history.add_undo_arguments, f"{EXIT_CODES}\n\n{DOCS}"),
    Command(
        "config",
        setting.CONFIG_SUMMARY,
        setting.CONFIG_DESCRIPTION,
        setting.add_config_arguments,
        uses_workers=False,
        has_settings=True,
    ),
    Command(
        "completion",
        setting.COMPLETION_SUMMARY,
        setting.COMPLETION_DESCRIPTION,
        setting.add_completion_arguments,
        setting.COMPLETION_EPILOG,
        uses_workers=False,
    ),
)
"""All commands, in the order in which the help lists them; a group comes before its commands."""


class Parsers(Mapping[str, Parser]):
    """The parser of each command by its name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._commands = {command.name: command for command in COMMANDS}
        self._made: dict[str, Parser] = {}

    def __getitem__(self, name: str) -> Parser:
        """Return the parser of a command."""
        if name not in self._made:
            command = self._commands[name]
            parser = command.fill(Parser(prog=f"exrbatch {name}", **command.texts()))
            _add_commands(parser, name, self._made)
            self._made[name] = parser
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all commands."""
        return iter(self._commands)

    def __len__(self) -> int:
        """Return the number of commands."""
        return len(self._commands)


def build_parser() -> Parser:
    """Build the parser of all commands."""
    from exrbatch import __version__

    parser = Parser(
        prog="exrbatch",
        description="Recompress OpenEXR files losslessly and in place, tens of thousands at a time.",
        epilog=f"exrbatch help COMMAND explains a command.\n{DOCS}",
        formatter_class=help_formatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"exrbatch {__version__}")
    made: dict[str, Parser] = {}
    _add_commands(parser, "", made)
    parser.commands = made
    return parser


def _add_commands(parser: Parser, group: str, made: dict[str, Parser]) -> None:
    """Add the commands of a group to its parser, and their parsers to those that are made.

    Args:
        parser: the parser of the group.
        group: its name; empty for commands that are in no group.
        made: gets the parser of each command by its name.
    """
    within = [command for command in COMMANDS if command.name.rpartition(" ")[0] == group]
    if not within:
        return
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for command in within:
        last_word = command.name.rpartition(" ")[2]
        made[command.name] = command.fill(parsers.add_parser(last_word, help=command.summary, **command.texts()))
        _add_commands(made[command.name], command.name, made)
