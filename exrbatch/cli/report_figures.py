"""The figures of `exrbatch report`: what one or several runs have done."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from exrbatch.cli.sequence_names import named_groups, sequence_names
from exrbatch.journal.history import RECOMPRESSED, PastFile, PastRun, merged
from exrbatch.journal.records import list_fields, path_fields, read_list
from exrbatch.text import timestamp

MOST_SLOW = 10
"""Number of slow files that are listed."""
NOTABLE_SECONDS = 1.0
"""Faster files are not listed as slow."""
BINS = 60
"""Number of intervals of the throughput over time."""
_BAD = ("failed", "different")


@dataclass(frozen=True, slots=True)
class SequenceSaving:
    """What was saved in one sequence.

    Attributes:
        name: its name, safe to print.
        files: number of files that were recompressed.
        size: their size before, in bytes.
        saved: bytes saved.
    """

    name: str
    files: int
    size: int
    saved: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Files that ended for the same reason.

    Attributes:
        status: how they ended.
        reason: why.
        code: the same for scripts.
        names: their names by sequence, safe to print.
        files: number of files.
    """

    status: str
    reason: str
    code: str
    names: tuple[str, ...]
    files: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one or several runs have done. Each file counts once.

    Attributes:
        runs: the runs, in the order of their beginning.
        counts: number of files by status.
        size: size of the recompressed files before, in bytes.
        saved: bytes saved.
        worker_seconds: wall time that workers spent on files, in seconds.
        sequences: what was saved in each sequence, most bytes first.
        slowest: the files that took longest, if they took long at all.
        reasons: failures first, then what was skipped, most files first.
        throughput: for each interval, its beginning in seconds since 1970, and the bytes per second
            of the files that ended in it.
    """

    runs: tuple[PastRun, ...]
    counts: Counter[str]
    size: int
    saved: int
    worker_seconds: float
    sequences: tuple[SequenceSaving, ...]
    slowest: tuple[PastFile, ...]
    reasons: tuple[Reason, ...]
    throughput: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, runs: Sequence[PastRun]) -> "Figures":
        """Compute the figures of some runs."""
        files = merged(runs)
        done = [file for file in files if file.status == RECOMPRESSED]
        slow = [file for file in files if file.seconds >= NOTABLE_SECONDS]
        return cls(
            runs=tuple(sorted(runs, key=lambda run: run.began)),
            counts=Counter(file.status for file in files),
            size=sum(file.size_before for file in done),
            saved=sum(file.saved for file in done),
            worker_seconds=sum(file.seconds for file in files),
            sequences=tuple(_sequences(done)),
            slowest=tuple(sorted(slow, key=lambda file: -file.seconds)[:MOST_SLOW]),
            reasons=tuple(_reasons(files)),
            throughput=tuple(_throughput(files)),
        )

    def to_json(self) -> dict[str, object]:
        """Return the figures as a document."""
        return {
            "format": "exrbatch-report-1",
            "runs": [run_json(run) for run in self.runs],
            "files": self.counts.total(),
            "counts": dict(self.counts),
            "bytes_before": self.size,
            "bytes_saved": self.saved,
            "worker_seconds": round(self.worker_seconds, 3),
            "sequences": [
                {"name": each.name, "files": each.files, "bytes_before": each.size, "bytes_saved": each.saved}
                for each in self.sequences
            ],
            "slowest": [
                {**path_fields("path", file.path), "seconds": file.seconds, "size": file.size_before}
                for file in self.slowest
            ],
            "reasons": [
                {
                    "status": each.status,
                    "reason": each.reason,
                    "reason_code": each.code,
                    "files": each.files,
                    "names": list(each.names),
                }
                for each in self.reasons
            ],
            "throughput": [{"at": timestamp(at), "bytes_per_second": round(rate)} for at, rate in self.throughput],
        }


def run_json(run: PastRun) -> dict[str, object]:
    """Return one run as a part of a document."""
    last = run.last_file
    return {
        "run": run.name,
        "command": run.about.get("command"),
        **list_fields("arguments", read_list(run.about, "arguments")),
        **list_fields("paths", run.roots),
        "files": len(run.files),
        "bytes_saved": sum(file.saved for file in run.files.values()),
        "began_at": timestamp(run.began),
        "last_record_at": timestamp(run.last_seen),
        "state": run.state,
        "exit_code": run.summary.get("exit_code"),
        "stop_reason": run.summary.get("stop_reason"),
        **({} if last is None else path_fields("last_file", last.path)),
    }


def _sequences(done: Sequence[PastFile]) -> list[SequenceSaving]:
    by_path = {file.path: file for file in done}
    found = []
    for named, paths in named_groups(list(by_path)):
        members = [by_path[path] for path in paths]
        size, saved = sum(each.size_before for each in members), sum(each.saved for each in members)
        found.append(SequenceSaving(named.name, len(members), size, saved))
    return sorted(found, key=lambda each: -each.saved)


def _reasons(files: Sequence[PastFile]) -> list[Reason]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for file in files:
        if file.status in (*_BAD, "skipped"):
            groups.setdefault((file.status, file.reason, file.reason_code), []).append(file.path)
    found = [
        Reason(status, reason, code, tuple(named.name for named in sequence_names(paths)), len(paths))
        for (status, reason, code), paths in groups.items()
    ]
    return sorted(found, key=lambda each: (each.status not in _BAD, -each.files))


def _throughput(files: Sequence[PastFile]) -> list[tuple[float, float]]:
    ended = [file for file in files if file.ended_at and file.seconds]
    if len(ended) < 2:
        return []
    first = min(file.ended_at - file.seconds for file in ended)
    width = max(1.0, (max(file.ended_at for file in ended) - first) / BINS)
    sums = [0] * BINS
    for file in ended:
        sums[min(BINS - 1, int((file.ended_at - first) / width))] += file.size_before
    return [(first + index * width, total / width) for index, total in enumerate(sums)]
