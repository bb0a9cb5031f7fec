"""All commands, with their arguments and help.

Each command names the module that runs it, and `main` imports only that module. The commands that
need user interface libraries import them. Defaults and choices of a recompression come from
`RecompressRules`.
"""

import argparse

from exrbatch.cli import (
    bench_arguments,
    check_arguments,
    digest_arguments,
    scan_arguments,
    setting_arguments,
    shard_arguments,
    steering_arguments,
)
from exrbatch.cli import cluster_arguments as cluster
from exrbatch.cli import history_arguments as history
from exrbatch.cli.argument_parser import Parser, help_formatter, wrapped
from exrbatch.cli.bench_arguments import add_bench_arguments
from exrbatch.cli.check_arguments import add_check_arguments
from exrbatch.cli.digest_arguments import add_digest_arguments
from exrbatch.cli.limit_arguments import add_limits
from exrbatch.cli.recompress_arguments import add_recompress_arguments
from exrbatch.cli.scan_arguments import add_scan_arguments
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


class _Commands:
    """The commands of a parser.

    Attributes:
        parsers: the parser of each command, by name, in the order in which they were added.
    """

    def __init__(self, parser: Parser, parsers: dict[str, Parser] | None = None, prefix: str = "") -> None:
        self._parsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
        self.parsers: dict[str, Parser] = {} if parsers is None else parsers
        self._prefix = prefix

    def add_group(self, name: str, summary: str, description: str) -> "_Commands":
        """Add a command that only has commands of its own, and return these."""
        parser = self.add(name, summary, description, uses_workers=False)
        return _Commands(parser, self.parsers, f"{name} ")

    def add(
        self,
        name: str,
        summary: str,
        description: str,
        *,
        uses_workers: bool = True,
        epilog: str = DOCS,
    ) -> Parser:
        """Add a command, which the function `run` of the module `exrbatch.cli.NAME` runs.

        Args:
            name: what the user types.
            summary: its line in the list of commands.
            description: the beginning of the command's own help.
            uses_workers: whether to prepare worker processes while the command loads.
            epilog: the end of the command's own help.
        """
        command = self._parsers.add_parser(
            name, help=summary, description=wrapped(description), epilog=epilog, formatter_class=help_formatter
        )
        full_name = f"{self._prefix}{name}"
        command.set_defaults(module=f"exrbatch.cli.{full_name.replace(' ', '_')}", uses_workers=uses_workers)
        self.parsers[full_name] = command
        return command


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
    add_scan_arguments(
        commands.add(
            "scan", scan_arguments.SUMMARY, scan_arguments.DESCRIPTION, epilog=f"{scan_arguments.EPILOG}\n\n{DOCS}"
        )
    )
    _add_bench(commands)
    _add_demo(commands)
    _add_doctor(commands)
    _add_clean(commands)
    _add_shards(commands.add_group("shard", shard_arguments.SUMMARY, shard_arguments.DESCRIPTION))
    _add_steering(commands)
    cluster.add_worker_arguments(
        commands.add("worker", *cluster.WORKER, uses_workers=False, epilog=f"{cluster.WORKER_EPILOG}\n\n{DOCS}")
    )
    compressions = commands.add(
        "compressions",
        "list the compressions: what they preserve, and which OpenEXR releases read them",
        "List the compressions: lines per chunk, whether they are lossless, and which OpenEXR releases read them.",
        uses_workers=False,
    )
    compressions.add_argument("--json", action="store_true", help="print one JSON document")
    _add_history(commands)
    _add_settings(commands)
    for name, command in commands.parsers.items():
        if command.get_default("uses_workers") or name in ("config", "shard plan"):
            add_setting_options(command)
    parser.commands = commands.parsers
    return parser


def _add_history(commands: _Commands) -> None:
    history.add_report_arguments(commands.add("report", *history.REPORT, uses_workers=False))
    again = commands.add("continue", *history.CONTINUE, uses_workers=False, epilog=f"{EXIT_CODES}\n\n{DOCS}")
    again.set_defaults(module="exrbatch.cli.continue_run")
    history.add_continue_arguments(again)
    history.add_retry_arguments(
        commands.add("retry", *history.RETRY, uses_workers=False, epilog=f"{EXIT_CODES}\n\n{DOCS}")
    )
    history.add_undo_arguments(commands.add("undo", *history.UNDO, epilog=f"{EXIT_CODES}\n\n{DOCS}"))


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
        " every sample. Say where they first differ: part, level, chunk, channel, pixel. Nothing is changed.",
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
    add_size_limits(command)
    add_allow_empty(command)
    add_jobs(command)
    add_timeout(command)
    add_limits(command.add_argument_group("limits of the run"))
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


def _add_steering(commands: _Commands) -> None:
    for (name, summary, description), add_arguments in steering_arguments.COMMANDS.items():
        command = commands.add(name, summary, description, uses_workers=False)
        add_arguments(command)
        if name not in ("ps", "attach"):
            command.set_defaults(module="exrbatch.cli.steer", steer=name)


def _add_shards(commands: _Commands) -> None:
    each = shard_arguments
    each.add_plan_arguments(commands.add(*each.PLAN, uses_workers=False, epilog=f"{each.PLAN_EPILOG}\n\n{each.DOCS}"))
    each.add_run_arguments(commands.add(*each.RUN, uses_workers=False, epilog=f"{EXIT_CODES}\n\n{each.DOCS}"))
    each.add_status_arguments(
        commands.add(*each.STATUS, uses_workers=False, epilog=f"{each.STATUS_EPILOG}\n\n{each.DOCS}")
    )
    each.add_retry_arguments(commands.add(*each.RETRY, uses_workers=False, epilog=each.DOCS))


def _add_settings(commands: _Commands) -> None:
    each = setting_arguments
    each.add_config_arguments(commands.add("config", each.CONFIG_SUMMARY, each.CONFIG_DESCRIPTION, uses_workers=False))
    each.add_completion_arguments(
        commands.add(
            "completion",
            each.COMPLETION_SUMMARY,
            each.COMPLETION_DESCRIPTION,
            uses_workers=False,
            epilog=each.COMPLETION_EPILOG,
        )
    )
