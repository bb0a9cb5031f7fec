"""`exrbatch ps`: list the runs of this user on this host."""

import argparse
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from exrbatch.batch.control import FROZEN, PAUSED
from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES
from exrbatch.cli.console import lasting_console
from exrbatch.cli.outputs import print_document
from exrbatch.dashboard import Snapshot
from exrbatch.jobs.file_report import BAD
from exrbatch.steering.client import FoundRun, find_runs
from exrbatch.text import format_count, format_saving, safe_text, timestamp

FORMAT = "exrbatch-ps-1"


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch ps`; return the exit code."""
    runs = find_runs()
    if arguments.json:
        document = {"format": FORMAT, "runs": [_record(run) for run in runs]}
        return EXIT_DONE if print_document(document) else EXIT_FAILURES
    if not runs:
        print("no run of yours is going on here", file=sys.stderr)
        return EXIT_DONE
    console = lasting_console(sys.stdout)
    for run in runs:
        console.print(Text(_line(run)))
        console.print(Text(f"    {run.command}", style="dim"))
    return EXIT_DONE


def _snapshot(run: FoundRun) -> Snapshot | None:
    try:
        return Snapshot.from_json(run.state["snapshot"]) if run.state is not None else None
    except (ValueError, KeyError):
        return None


def _line(run: FoundRun) -> str:
    """Describe a run in one line."""
    now = _snapshot(run)
    if now is None or run.state is None:
        return f"{run.pid}  {'no answer' if run.suspended is None else 'suspended'}"
    by_others = [why for why in now.pauses if why not in (PAUSED, FROZEN)]
    state = f"paused: {'; '.join(by_others)}" if by_others and not now.is_stopping else now.state
    failed = sum(now.counts.get(status, 0) for status in BAD)
    parts = [
        safe_text(state),
        f"{now.percent} %",
        f"{format_count(now.files)} of {now.total} files",
        f"{format_count(failed)} failed" if failed else "",
        format_saving(now.saved) if now.saves_bytes else "",
        now.remaining if now.seconds_left is not None else "",
        now.plan,
        format_count(now.jobs, "worker"),
        _began(run.state),
    ]
    return f"{run.pid}  {' · '.join(filter(None, parts))}"


def _began(state: Mapping[str, Any]) -> str:
    """Return when a run began, by the local clock; with the date if that was not today."""
    try:
        began = datetime.fromisoformat(str(state.get("started_at"))).astimezone()
    except ValueError:
        return ""
    is_today = began.date() == datetime.now(began.tzinfo).date()
    return f"since {began:%H:%M}" if is_today else f"since {began:%Y-%m-%d %H:%M}"


def _record(run: FoundRun) -> dict[str, Any]:
    """Return what a script may want to know of a run."""
    now = _snapshot(run)
    if now is None or run.state is None:
        return {"pid": run.pid, "state": "no_answer" if run.suspended is None else "suspended", "command": run.command}
    return {
        "pid": run.pid,
        "state": now.state,
        "pauses": list(now.pauses),
        "stop_reason": now.stop_reason,
        "command": run.state.get("command"),
        "folder": run.state.get("folder"),
        "started_at": run.state.get("started_at"),
        "version": run.state.get("version"),
        "jobs": now.jobs,
        "files": now.files,
        "files_found": now.found,
        "is_scanned": now.is_scanned,
        "bytes_done": round(now.reached_size),
        "bytes_found": now.found_size,
        "bytes_saved": now.saved if now.saves_bytes else None,
        "counts": {str(status): now.counts.get(status, 0) for status in now.statuses},
        "seconds": round(now.seconds, 1),
        "paused_seconds": round(now.paused, 1),
        "seconds_left": None if now.seconds_left is None else round(now.seconds_left),
        "bytes_per_second": round(now.rate),
        "ends_at": None if now.ends_at is None else timestamp(now.ends_at),
        "hours": now.hours,
        "bytes_per_second_limit": now.rate_limit,
    }
