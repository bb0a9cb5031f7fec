"""How far the shards of a plan are, by the records of all attempts to run them.

Nothing is asked of hosts or farms. An attempt that writes records is running; one that has written
neither a summary nor anything else for some time is dead.
"""

import enum
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exrbatch.errors import OptionsError
from exrbatch.farm.plan import Plan
from exrbatch.jobs.file_report import Status
from exrbatch.journal.folder import run_record, summary_record
from exrbatch.journal.history import PastFile, PastRun, merged, number_of, read_runs, seconds_of
from exrbatch.journal.writer import STATUS_SECONDS
from exrbatch.text import safe_text

SILENT_SECONDS = 3 * STATUS_SECONDS
"""An attempt without a summary that has written nothing for so long is dead."""
RECENT_SECONDS = 600.0
"""The time left is estimated from what was done in the last so many seconds."""
MOST_TROUBLES = 1000
"""Number of files of each shard that have failed or were skipped, and are kept to be named."""
_REPORT = re.compile(r"([1-9]\d*)\.[0-9a-f-]+\.jsonl", re.ASCII)
DONE = (Status.RECOMPRESSED, Status.ALREADY, Status.NO_GAIN)


class State(enum.StrEnum):
    """The state of a shard.

    Attributes:
        WAITING: nobody has begun it.
        RUNNING: at least one attempt is alive.
        DONE: every file has ended, and none has failed.
        FAILED: every file has ended, but some have failed.
        STOPPED: the last attempt ended early: by a limit, a signal or a full disk.
        DEAD: the last attempt ended without a summary.
    """

    FAILED = "failed"
    DEAD = "dead"
    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"


TROUBLE = (State.FAILED, State.DEAD, State.STOPPED)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to run a shard.

    Attributes:
        run: its records; without any if it has only just begun.
        seen: time of its last sign of life, in seconds since 1970.
        is_alive: whether it may still be running.
    """

    run: PastRun
    seen: float
    is_alive: bool

    @property
    def host(self) -> str:
        """Its host, safe to print; empty if unknown."""
        return safe_text(str(self.run.about.get("host", "")))


@dataclass(slots=True)
class ShardStatus:
    """How far one shard is.

    Attributes:
        number: its number.
        state: its state.
        files: number of its files.
        size: their size in bytes when the plan was made.
        counts: number of files that have ended, by status; each counts once.
        left: number of its files that have not ended.
        saved: bytes saved.
        attempts: number of attempts.
        host: host of the last attempt; empty if there is none.
        seen: time of its last sign of life, in seconds since 1970; 0 if there is none.
        reason: why the last attempt stopped early; empty if it did not.
        troubles: the files that have failed or were skipped, as far as `MOST_TROUBLES` allows.
        recent: bytes of the files that ended in the last `RECENT_SECONDS`.
        began: when the first attempt began, in seconds since 1970; 0 if there is none.
    """

    number: int
    state: State
    files: int
    size: int
    counts: Counter[str] = field(default_factory=Counter)
    left: int = 0
    saved: int = 0
    attempts: int = 0
    host: str = ""
    seen: float = 0.0
    reason: str = ""
    troubles: list[PastFile] = field(default_factory=list)
    recent: float = 0.0
    began: float = 0.0

    @property
    def done(self) -> int:
        """Number of files that are as they should be."""
        return sum(self.counts[status] for status in DONE)

    @property
    def left_size(self) -> float:
        """Bytes that are left, about."""
        return self.size * self.left / self.files if self.files else 0.0


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """How far all shards are.

    Attributes:
        shards: how far each one is.
        others: number of reports that belong to no shard of this plan.
    """

    shards: Sequence[ShardStatus]
    others: int

    def count(self, state: State) -> int:
        """Return the number of shards in a state."""
        return sum(shard.state is state for shard in self.shards)

    def total(self) -> ShardStatus:
        """Add up all shards; its state is the worst, or that of those that are not done."""
        counts: Counter[str] = Counter()
        for shard in self.shards:
            counts.update(shard.counts)
        worst = next(state for state in State if state in {shard.state for shard in self.shards})
        return ShardStatus(
            number=0,
            state=worst,
            files=sum(shard.files for shard in self.shards),
            size=sum(shard.size for shard in self.shards),
            counts=counts,
            left=sum(shard.left for shard in self.shards),
            saved=sum(shard.saved for shard in self.shards),
            attempts=sum(shard.attempts for shard in self.shards),
        )

    def seconds_left(self, now: float) -> float | None:
        """Estimate how long the rest will take; None if nothing is running, or it is too early."""
        begun = [shard.began for shard in self.shards if shard.recent]
        recent = sum(shard.recent for shard in self.shards)
        if not recent or not self.count(State.RUNNING):
            return None
        rate = recent / min(RECENT_SECONDS, max(1.0, now - min(begun)))
        return sum(shard.left_size for shard in self.shards) / rate


def status_of(plan: Plan, now: float | None = None) -> PlanStatus:
    """Find out how far a plan is.

    Args:
        plan: the plan.
        now: the time in seconds since 1970; None for the present.

    Raises:
        OptionsError: the folder of reports, or a list, can't be read.
    """
    now = time.time() if now is None else now
    reports, others = _reports(plan)
    shards = []
    for number in range(1, len(plan.shards) + 1):
        if (finished := _finished_at_once(plan, number, reports.get(number, []), now)) is not None:
            shards.append(finished)
            continue
        attempts, foreign = _attempts(plan, reports.get(number, []), now)
        others += foreign
        shards.append(_shard(plan, number, attempts, now))
    return PlanStatus(shards, others)


def outcomes_of(plan: Plan) -> Iterator[tuple[dict[str, PastFile | None], bool]]:
    """Yield, for each shard, how its files have ended, and whether it is running.

    Yields:
        the outcome of each path of the list, or None if it has not ended; and whether an attempt
        is alive.

    Raises:
        OptionsError: the folder of reports, or a list, can't be read.
    """
    reports, _ = _reports(plan)
    for number in range(1, len(plan.shards) + 1):
        attempts, _ = _attempts(plan, reports.get(number, []), time.time())
        ended = {file.path: file for file in merged(attempt.run for attempt in attempts)}
        outcomes = {path: _outcome(path, ended) for path in plan.paths_of(number)}
        yield outcomes, any(attempt.is_alive for attempt in attempts)


def _outcome(path: str, ended: dict[str, PastFile]) -> PastFile | None:
    """Find the outcome of a path. A file that is named through a link is reported by its own."""
    found = ended.get(path)
    if found is None and os.path.islink(path):
        found = ended.get(os.path.realpath(path))
    return found


def _reports(plan: Plan) -> tuple[dict[int, list[Path]], int]:
    """Return the reports of each shard, and the number of files that are none."""
    reports: dict[int, list[Path]] = {}
    others = 0
    try:
        names = sorted(os.listdir(plan.reports))
    except OSError as error:
        raise OptionsError(f"can't read the reports in {plan.reports}: {error.strerror}") from None
    for name in names:
        match = _REPORT.fullmatch(name)
        if match is not None and int(match[1]) <= len(plan.shards):
            reports.setdefault(int(match[1]), []).append(Path(plan.reports, name))
        else:
            others += 1
    return reports, others


def _attempts(plan: Plan, reports: Iterable[Path], now: float) -> tuple[list[Attempt], int]:
    """Read the attempts of a shard, the earliest first, and count files that are none."""
    attempts, others = [], 0
    for path in reports:
        try:
            found = path.stat()
            has_just_begun = path.is_file() and not found.st_size
            runs = [PastRun({"plan_id": plan.plan_id}, path)] if has_just_begun else read_runs(path)
        except (OSError, OptionsError):  # it is gone, or has no complete record yet
            others += 1
            continue
        for run in runs:
            if run.about.get("plan_id") != plan.plan_id:
                others += 1
                continue
            signs = found.st_mtime, run.last_seen  # by the clock of the file server, or of the host
            is_recent = any(abs(now - sign) < SILENT_SECONDS for sign in signs)
            attempts.append(Attempt(run, max(signs), not run.summary and is_recent))
    return sorted(attempts, key=lambda attempt: attempt.run.began or attempt.seen), others


def _finished_at_once(plan: Plan, number: int, reports: Sequence[Path], now: float) -> ShardStatus | None:
    """Return the status of a shard whose only attempt has done everything, by its summary alone.

    Most shards of a large plan are like that, and reading all records of a million files would take
    minutes. For any other shard, return None.
    """
    if len(reports) != 1:
        return None
    about, summary = run_record(reports[0]), summary_record(reports[0])
    facts, counts = plan.shards[number - 1], summary.get("counts")
    if about.get("plan_id") != plan.plan_id or not isinstance(counts, dict) or summary.get("exit_code") != 0:
        return None
    done = {status: counts.get(status, 0) for status in DONE}
    if not all(isinstance(count, int) for count in done.values()):
        return None
    if sum(done.values()) != facts.files or summary.get("files") != facts.files:
        return None
    began, ended = seconds_of(about.get("started_at")), seconds_of(summary.get("ended_at"))
    recent = max(0.0, ended - max(began, now - RECENT_SECONDS)) / max(1.0, ended - began)
    return ShardStatus(
        number,
        State.DONE,
        facts.files,
        facts.size,
        counts=Counter({str(status): count for status, count in done.items() if count}),
        saved=number_of(summary.get("bytes_saved")),
        attempts=1,
        host=safe_text(str(about.get("host", ""))),
        seen=ended,
        recent=facts.size * recent,
        began=began,
    )


def _shard(plan: Plan, number: int, attempts: Sequence[Attempt], now: float) -> ShardStatus:
    facts = plan.shards[number - 1]
    status = ShardStatus(number, State.WAITING, facts.files, facts.size, left=facts.files, attempts=len(attempts))
    if not attempts:
        return status
    files = merged(attempt.run for attempt in attempts)
    status.counts.update(file.status for file in files)
    status.troubles = [file for file in files if file.status in (Status.FAILED, Status.SKIPPED)][:MOST_TROUBLES]
    status.saved = sum(file.saved for file in files)
    ended = {file.path: file for file in files}
    if len(ended) < facts.files or status.counts[Status.SKIPPED] or status.counts[Status.FAILED]:
        status.left = sum(_outcome(path, ended) is None for path in plan.paths_of(number))
    else:
        status.left = 0
    status.recent = sum(file.size_before for file in files if 0 <= now - file.ended_at < RECENT_SECONDS)
    last = max(attempts, key=lambda attempt: (attempt.is_alive, attempt.run.began or attempt.seen))
    status.host, status.seen = last.host, last.seen
    status.began = attempts[0].run.began or attempts[0].seen
    status.reason = "" if last.is_alive else safe_text(str(last.run.summary.get("stop_reason", "")))
    status.state = _state(status, last)
    return status


def _state(status: ShardStatus, last: Attempt) -> State:
    if last.is_alive:
        return State.RUNNING
    if not status.left:
        return State.FAILED if status.counts[Status.FAILED] else State.DONE
    return State.STOPPED if last.run.summary else State.DEAD


def in_state(status: PlanStatus, states: Iterable[State]) -> Iterator[ShardStatus]:
    """Yield the shards in some states, in the order of the states."""
    for state in states:
        yield from (shard for shard in status.shards if shard.state is state)
