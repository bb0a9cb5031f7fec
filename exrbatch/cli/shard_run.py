"""`exrbatch shard run`: run one shard of a plan, or several, one after the other."""

import argparse
import os
import secrets
import shlex
from collections.abc import Sequence

from rich.text import Text

from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import EXIT_DONE, EXIT_STOPPED, BatchReport
from exrbatch.cli.earlier_run import with_options
from exrbatch.cli.progress_line import ProgressLine
from exrbatch.cli.recompress import options_of
from exrbatch.cli.shared_arguments import number_of_jobs
from exrbatch.cli.shown_run import about, show_run
from exrbatch.cli.summary import summary_lines
from exrbatch.errors import OptionsError
from exrbatch.farm.plan import Plan, read_plan
from exrbatch.journal.folder import new_run_id
from exrbatch.journal.records import path_fields
from exrbatch.signals import late
from exrbatch.text import safe_text

NO_OPTIONS = frozenset(
    (
        *("report", "json", "log", "on_finish", "quiet", "verbose", "progress_line", "dry_run"),
        *("files_from", "null", "output", "backup_dir", "base"),
    )
)
"""Options of `recompress` that a plan does not record: those of one call, and paths."""
_CHOSEN = {"include": [], "exclude": [], "min_size": 0, "max_size": None}
"""Options that the plan has applied already. A file that is smaller by now still belongs to it."""


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch shard run`; return the exit code."""
    plan = read_plan(arguments.plan)
    numbers: Sequence[int] = arguments.shards
    if (last := max(numbers)) > len(plan.shards):
        raise OptionsError(f"there is no shard {last}: {safe_text(plan.folder)} has 1 to {len(plan.shards)}")
    if len(numbers) > 1 and arguments.json:
        raise OptionsError("--json prints one document: name one shard")
    progress = ProgressLine.of(arguments)
    sizes = [max(1, plan.shards[number - 1].size) for number in numbers]
    code, done = EXIT_DONE, 0
    for number, size in zip(numbers, sizes, strict=True):
        plan.check_host()
        progress.share = done / sum(sizes), (done + size) / sum(sizes)
        done += size
        ended = _run_shard(plan, number, arguments, progress)
        code = code or ended
        if ended >= EXIT_STOPPED:  # a limit or a signal: it is about all of them
            return ended
        if late and number != numbers[-1]:  # the signal came between two runs
            return 128 + late[0]
    return code


def _run_shard(plan: Plan, number: int, given: argparse.Namespace, progress: ProgressLine) -> int:
    """Run one shard, and return the exit code."""
    arguments = arguments_of(plan, given)
    paths = plan.paths_of(number)
    # Without its report: `exrbatch continue` and `retry` on this host would write to it, too.
    record = {**about(arguments), **path_fields("plan", plan.folder), "plan_id": plan.plan_id, "shard": number}
    arguments.report = _new_report(plan, number)
    again = f"exrbatch shard run {shlex.quote(safe_text(plan.folder))} {number}"

    def summarize(report: BatchReport) -> list[Text]:
        report.to_continue = again
        return summary_lines(report)

    planned = _ShardRun((), planned_options(plan, arguments), record, listed=paths, refuse=plan.refusal)
    return show_run(planned, arguments, summarize, progress=progress)


class _ShardRun(Run):
    """The run of a shard, which is one part of a job."""

    def new_totals(self) -> BatchReport:
        """Return empty totals for this run."""
        totals = super().new_totals()
        totals.is_part = True
        return totals


def planned_options(plan: Plan, arguments: argparse.Namespace) -> Options:
    """Return the options of `arguments_of`.

    Raises:
        OptionsError: they are invalid, for example because the settings of the plan were changed.
    """
    try:
        return options_of(arguments)
    except (TypeError, AttributeError) as error:
        raise OptionsError(f"the settings of {safe_text(plan.folder)} are damaged: {error}") from None


def arguments_of(plan: Plan, given: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments of `exrbatch recompress` that a plan stands for.

    Args:
        plan: the plan.
        given: options of this call, which replace those of the plan.
    """
    recorded = {name: value for name, value in plan.options.items() if name not in NO_OPTIONS} | _CHOSEN
    jobs = recorded.pop("jobs", None)
    own = argparse.Namespace(**{name: value for name, value in vars(given).items() if name != "jobs"})
    arguments = with_options("recompress", recorded, own, safe_text(plan.folder))
    arguments.jobs = given.jobs
    if given.jobs is None and jobs is not None:
        try:
            arguments.jobs = number_of_jobs(str(jobs))
        except argparse.ArgumentTypeError as error:
            raise OptionsError(f"{safe_text(plan.folder)}: {error}") from None
    for name in ("json", "log", "quiet", "verbose", "progress_line"):
        setattr(arguments, name, getattr(given, name))
    arguments.output, arguments.backup_dir = plan.output, plan.backup_dir
    arguments.base = plan.base if plan.output is not None or plan.backup_dir is not None else None
    return arguments


def _new_report(plan: Plan, number: int) -> str:
    """Create an empty file for the records of an attempt, which no other attempt has.

    Hosts and process IDs repeat in containers, so they are not enough for its name.

    Raises:
        OptionsError: it can't be created. Without it, nobody would know what was done.
    """
    while True:
        path = os.path.join(plan.reports, f"{number}.{new_run_id()}{secrets.token_hex(3)}.jsonl")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise OptionsError(f"can't write the report {path}: {error.strerror}") from None
