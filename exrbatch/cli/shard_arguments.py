"""The arguments of the commands about shards: plan, run, status and retry."""

import argparse
import re

from exrbatch.cli.limit_arguments import add_limits
from exrbatch.cli.progress_line_argument import add_progress_line
from exrbatch.cli.recompress_arguments import add_no_journal, add_what_to_do
from exrbatch.cli.selection_arguments import size
from exrbatch.cli.shared_arguments import Group, add_digests, add_fail_on, add_jobs, add_volume, number_of_jobs
from exrbatch.farm.job_files import FARMS

DOCS = "docs/farms.md explains shards."
SUMMARY = "cut a job into shards that any farm can run"
DESCRIPTION = (
    "Cut a job into shards, which any farm, or ssh, can run on any host, any number of times: plan, run, status, retry."
    " docs/farms.md explains them."
)
PLAN = (
    "shard plan",
    "find the files, and write a list for each shard",
    "Find the files as recompress would, and write a plan: a list of files for each shard, and the options. No frame is"
    " touched. Shards end where sequences end, as far as their sizes allow: none is larger than the mean by more than"
    " 5 % or one file.",
)
RUN = (
    "shard run",
    "run one shard of a plan",
    "Run one shard of a plan, on any host that has the same versions and the same folders. It can be run again at any"
    " time: finished files are left alone. Its records go to DIR/reports.",
)
STATUS = (
    "shard status",
    "say how far the shards of a plan are",
    "Say how far the shards of a plan are, by their records: done, failed, running, dead, and what was saved.",
)
RETRY = (
    "shard retry",
    "make a new plan from what failed",
    "Make a new plan from the files that failed, were skipped for a reason that may have passed, or were never"
    " processed, with the options of the old plan.",
)
PLAN_EPILOG = """\
examples:
  exrbatch shard plan /shows/ab -o /shows/ab.plan --count 200
  exrbatch shard plan /shows/ab -o /shows/ab.plan --size 500G -c zstd --for openjd

exit codes:
  0  the plan is written, or there is no file
  1  the plan is written, but lacks paths, such as missing frames
  2  wrong usage, or the plan could not be written"""
STATUS_EPILOG = """\
exit codes:
  0  all files of all shards are done
  1  files have failed, or attempts have died or stopped
  3  not done yet, and nothing is wrong so far"""


def add_plan_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch shard plan`."""
    add_what_to_do(command, output=("--output",))
    for action in command._actions:
        if action.dest == "jobs":
            action.type = _jobs_of_any_host
    _add_plan(command.add_argument_group("the plan"), is_count_required=True)
    add_limits(command.add_argument_group("limits of the run of each shard"))
    shown = command.add_argument_group("reports")
    add_digests(shown)
    add_fail_on(shown)
    add_no_journal(shown)


def add_run_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch shard run`."""
    command.add_argument("plan", metavar="DIR", help="the folder of the plan")
    command.add_argument(
        "shards",
        metavar="N",
        type=shard_numbers,
        help="the shard, from 1; or several, one after the other, such as 1-4, 1,3 or 1-9:2",
    )
    group = command.add_argument_group("instead of the options of the plan")
    add_jobs(group)
    add_limits(group)
    for action in group._group_actions:
        action.default = None  # not given
    shown = command.add_argument_group("reports")
    shown.add_argument("--json", action="store_true", help="print one JSON document; all else goes to stderr")
    shown.add_argument(
        "--log", metavar="FILE", help="append lines about progress and failures to FILE, with date and time"
    )
    add_progress_line(shown)
    add_volume(shown, "file")


def add_status_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch shard status`."""
    command.add_argument("plan", metavar="DIR", help="the folder of the plan")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def add_retry_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch shard retry`."""
    command.add_argument("earlier", metavar="DIR", help="the folder of the old plan")
    _add_plan(command, is_count_required=False)


def _add_plan(command: Group, *, is_count_required: bool) -> None:
    """Add where a plan goes, how many shards it has, and for which farms."""
    command.add_argument(
        "-o", "--plan", metavar="DIR", required=True, help="folder for the plan; it must not exist yet, or be empty"
    )
    number = command.add_mutually_exclusive_group(required=is_count_required)
    default = "" if is_count_required else " (default: shards as large as those of the old plan)"
    number.add_argument("--count", type=_count, metavar="N", help=f"number of shards{default}")
    number.add_argument("--size", type=_size, metavar="SIZE", help="bytes of each shard, such as 500G, on average")
    command.add_argument(
        "--for",
        dest="farms",
        action="append",
        choices=sorted(FARMS),
        default=[],
        metavar="FARM",
        help=f"also write the job files of a farm: one of {', '.join(sorted(FARMS))} (can be repeated)",
    )
    command.add_argument(
        "--executable",
        default="exrbatch",
        metavar="CMD",
        help="how job files start exrbatch on the hosts of the farm; may have arguments, quoted as in a shell (default:"
        " %(default)s)",
    )


def _count(value: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,6}", value, re.ASCII):
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of shards, from 1 to 9999999")
    return int(value)


def _size(value: str) -> int:
    if (found := size(value)) == 0:
        raise argparse.ArgumentTypeError("0: must be 1 or more")
    return found


def _jobs_of_any_host(value: str) -> str:
    """Check a number of workers, such as -2 or 50%. What it stands for depends on the host."""
    number_of_jobs(value)
    return value


def shard_numbers(value: str) -> list[int]:
    """Parse the numbers of shards: 7, 1-4, 1,3,5 or 1-9:2, as Open Job Description writes them."""
    numbers: list[int] = []
    for part in value.split(","):
        match = re.fullmatch(r"\s*(\d{1,7})(?:-(\d{1,7})(?::(\d{1,7}))?)?\s*", part, re.ASCII)
        if match is None:
            raise argparse.ArgumentTypeError(f"{value!r} is not a shard such as 7, nor several such as 1-4 or 1,3")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if step == 0 or last < first or first == 0:
            raise argparse.ArgumentTypeError(f"{value!r}: shards are numbered from 1, and ranges go up")
        numbers += range(first, last + 1, step)
    return list(dict.fromkeys(numbers))
