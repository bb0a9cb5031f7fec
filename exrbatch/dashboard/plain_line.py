"""One line about a run, for logs."""

from exrbatch.dashboard.snapshot import Snapshot
from exrbatch.jobs.file_report import BAD
from exrbatch.text import format_count, format_saving, format_size


def plain_line(now: Snapshot) -> str:
    """Return one line for a log: a short version of the dashboard."""
    saved = f" {format_saving(now.saved)}," if now.saves_bytes else ""
    bad = "".join(f" {now.counts.get(status, 0)} {status}," for status in BAD if status in now.statuses)
    left = "; ".join(now.pauses) if now.pauses and not now.is_stopping else now.remaining
    done = f"{format_count(now.files)} of {now.total} files, {now.percent} %"
    return f"{done},{saved} {format_size(now.rate)}/s,{bad} {left}"
