"""The arguments of the commands about earlier runs: report, continue, retry and undo."""

import argparse

from exrbatch.cli.cluster_arguments import add_cluster
from exrbatch.cli.limit_arguments import add_limits
from exrbatch.cli.shared_arguments import add_jobs, add_reporting, add_timeout, add_volume

RUN_HELP = "the ID of a run, or its beginning (default: the last run)"
RECORDS_HELP = "the ID of a run, or its beginning, or a file written by --report (default: the last run)"
UNDO_HELP = (
    "the ID of a run, or its beginning (default: the last run, or the run that it has undone, so that an interrupted"
    " undo goes on)"
)

REPORT = (
    "say what earlier runs have done: savings, failures, slowest files",
    "Summarize one or several runs by their journals, or by files that --report has written. If there are several,"
    " each file counts once. Without RUN, this is about the last run.",
)
CONTINUE = (
    "go on where an earlier run ended",
    "Start an earlier run again, in its folder, with its paths and options. Files that are finished and have not"
    " changed since are not read again.",
)
RETRY = (
    "process again what failed in an earlier run",
    "Process the files that failed in an earlier run, or were skipped for a reason that may have passed, with the"
    " options of that run.",
)
UNDO = (
    "give the files of an earlier run the compressions that they had",
    "Give the files that an earlier run has replaced in place the compressions that they had before. A file that was"
    " uncompressed in the usual layout becomes the same file, byte for byte; others get the same header and pixels."
    " Files that have changed since, and files with lossy compressions, are skipped.",
)


def add_report_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch report`."""
    command.add_argument("runs", metavar="RUN", nargs="*", help=RECORDS_HELP)
    command.add_argument("--list", action="store_true", help="list the runs that have a journal, latest first")
    command.add_argument("--html", metavar="FILE.html", help="write a page that needs no network and no scripts")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def add_continue_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch continue`."""
    command.add_argument("run", metavar="RUN", nargs="?", help=RUN_HELP)
    _add_replacements(command)


def add_retry_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch retry`."""
    command.add_argument("run", metavar="RUN", nargs="?", help=RECORDS_HELP)
    _add_replacements(command)


def _add_replacements(command: argparse.ArgumentParser) -> None:
    """Add options that replace those of the earlier run, if they are given."""
    group = command.add_argument_group("instead of the options of that run")
    add_jobs(group)
    add_limits(group)
    add_cluster(group)
    add_volume(group, "file")
    for action in group._group_actions:
        action.default = None  # not given


def add_undo_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch undo`."""
    command.add_argument("run", metavar="RUN", nargs="?", help=UNDO_HELP)
    command.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
    add_jobs(command)
    add_timeout(command)
    add_limits(command.add_argument_group("limits of the run"))
    add_reporting(command)
