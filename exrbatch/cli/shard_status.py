"""`exrbatch shard status`: how far the shards of a plan are."""

import argparse
import time
from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from exrbatch.batch.discovery.sequences import frame_ranges
from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES, EXIT_STOPPED
from exrbatch.cli.console import Output
from exrbatch.cli.outputs import print_document
from exrbatch.cli.summary import listed, named_line
from exrbatch.cli.tables import stacked
from exrbatch.dashboard import STYLES
from exrbatch.farm.plan import Plan, read_plan
from exrbatch.farm.status import TROUBLE, PlanStatus, ShardStatus, State, in_state, status_of
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.recompression.choices import LOSSY_SOURCE, LOSSY_SOURCE_HINT
from exrbatch.text import (
    format_count,
    format_left,
    format_minutes,
    format_saving,
    format_size,
    printable,
    shortened,
    timestamp,
)

FORMAT = "exrbatch-shard-status-1"
MOST_ROWS = 20
"""Number of shards that have a row of their own. Those in trouble come first."""
MAX_HOST = 20
MOST_REASONS = 5
"""Number of reasons to skip files that are shown, the most common ones first."""
HEADINGS = ("shard", "state", "files", "done", "failed", "skipped", "left", "saved", "host", "last sign")


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch shard status`; return the exit code."""
    plan = read_plan(arguments.plan)
    now = time.time()
    status = status_of(plan, now)
    code = _exit_code(status)
    if arguments.json:
        return code if print_document(_document(plan, status, now)) else EXIT_FAILURES
    output = Output()
    console = output.results
    if shown := _rows(status):
        cells = [_cells(shard, now) for shard in shown]
        columns = [place for place in range(len(HEADINGS)) if any(row[place] for row in cells)]
        for table in stacked(
            [HEADINGS[place] for place in columns], [[row[place] for place in columns] for row in cells], console.width
        ):
            console.print(table)
    for line in _lines(status, {shard.number for shard in shown}, now):
        console.print(line)
    return code


def _exit_code(status: PlanStatus) -> int:
    if any(status.count(state) for state in TROUBLE) or status.total().counts[Status.FAILED]:
        return EXIT_FAILURES
    return EXIT_DONE if status.count(State.DONE) == len(status.shards) else EXIT_STOPPED


def _rows(status: PlanStatus) -> list[ShardStatus]:
    """Return the shards that get a row: all if there are few, or else those that matter most."""
    if len(status.shards) <= MOST_ROWS:
        return list(status.shards)
    chosen = list(in_state(status, (*TROUBLE, State.RUNNING)))[:MOST_ROWS]
    return sorted(chosen, key=lambda shard: shard.number)


def _cells(shard: ShardStatus, now: float) -> list[str]:
    return [
        str(shard.number),
        shard.state,
        format_count(shard.files),
        _number(shard.done),
        _number(shard.counts[Status.FAILED]),
        _number(shard.counts[Status.SKIPPED]),
        _number(shard.left),
        format_size(shard.saved) if shard.saved else "",
        shortened(shard.host, MAX_HOST),
        f"{format_minutes(max(0.0, now - shard.seen))} ago" if shard.seen else "",
    ]


def _number(number: int) -> str:
    return format_count(number) if number else ""


def _lines(status: PlanStatus, shown: set[int], now: float) -> list[Text]:
    """Return what stands below the table: the shards by state, and the totals."""
    lines = []
    for state in State:
        shards = [shard for shard in status.shards if shard.state is state]
        if shards and not {shard.number for shard in shards} <= shown:
            lines.append(Text(f"{state}: {frame_ranges(shard.number for shard in shards)}"))
    for shard in in_state(status, [State.STOPPED]):
        if shard.reason and len(lines) < MOST_ROWS:
            lines.append(Text(f"shard {shard.number} stopped: {shard.reason}", style="yellow"))
    lines += _troubles(status)
    if status.others:
        lines.append(Text(f"{format_count(status.others, 'other file')} in the folder of reports", style="dim"))
    total = status.total()
    states = [f"{status.count(state)} {state}" for state in State if status.count(state)]
    lines.append(Text(f"{format_count(len(status.shards), 'shard')}: {', '.join(states)}", style="bold"))
    lines.append(_files(total))
    left = status.seconds_left(now)
    if left is not None:
        lines.append(Text(format_left(left, now)))
    return lines


def _troubles(status: PlanStatus) -> list[Text]:
    """Return which files have failed, and for which reasons how many were skipped."""
    files = [file for shard in status.shards for file in shard.troubles]
    failed = [
        FileReport(path=file.path, status=Status.FAILED, reason=file.reason)
        for file in files
        if file.status == Status.FAILED
    ]
    skipped = Counter(
        LOSSY_SOURCE if file.reason.endswith(LOSSY_SOURCE_HINT) else file.reason
        for file in files
        if file.status == Status.SKIPPED
    )
    lines = listed("failed", failed, len(failed), "bold red", hint="the records in the plan's folder list them all")
    return lines + [
        named_line("skipped", f"{format_count(count, 'file')}: {reason}", STYLES[Status.SKIPPED])
        for reason, count in skipped.most_common(MOST_REASONS)
    ]


def _files(total: ShardStatus) -> Text:
    """Return how many files have ended in which way, and what was saved."""
    failed, skipped = total.counts[Status.FAILED], total.counts[Status.SKIPPED]
    line = Text(f"{format_count(total.files, 'file')}: ", style="bold").append(f"{format_count(total.done)} done")
    for count, word, status in ((failed, "failed", Status.FAILED), (skipped, "skipped", Status.SKIPPED)):
        if count:
            line.append(", ").append(f"{format_count(count)} {word}", STYLES[status])
    if total.left:
        line.append(f", {format_count(total.left)} left")
    return line.append(f"; {format_saving(total.saved)}" if total.saved else "")


def _document(plan: Plan, status: PlanStatus, now: float) -> dict[str, object]:
    left = status.seconds_left(now)
    return {
        "format": FORMAT,
        "plan": printable(plan.folder),
        "plan_id": plan.plan_id,
        "at": timestamp(now),
        "shards": [_record(shard) for shard in status.shards],
        "states": {str(state): status.count(state) for state in State},
        "total": _figures(status.total()),
        "seconds_left": None if left is None else round(left),
        "other_files": status.others,
    }


def _record(shard: ShardStatus) -> dict[str, object]:
    return {
        "shard": shard.number,
        "state": str(shard.state),
        **_figures(shard),
        "host": shard.host or None,
        "last_seen_at": timestamp(shard.seen) if shard.seen else None,
        "stop_reason": shard.reason or None,
    }


def _figures(shard: ShardStatus) -> dict[str, object]:
    statuses: Sequence[str] = sorted(shard.counts)
    return {
        "files": shard.files,
        "bytes": shard.size,
        "done": shard.done,
        "failed": shard.counts[Status.FAILED],
        "skipped": shard.counts[Status.SKIPPED],
        "left": shard.left,
        "counts": {name: shard.counts[name] for name in statuses},
        "bytes_saved": shard.saved,
        "attempts": shard.attempts,
    }
