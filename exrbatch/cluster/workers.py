"""The workers of a run on a cluster.

Each worker has one task in flight, which is bound to it. So if it dies, it is known which files it
had. If that was a single file, the file is blamed; otherwise those that may be the cause come again
one by one. Workers are often taken away, so a file must kill several before it is the cause.
"""

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from queue import Empty

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.workers.interface import Outcome, Running, Setting
from exrbatch.cluster.bundles import Bundle, Pace, Replacements
from exrbatch.cluster.casualties import Casualties
from exrbatch.cluster.link import Answered, Ended, Joined, Left, Link, Message, Said
from exrbatch.cluster.members import Members
from exrbatch.cluster.tokens import Tokens
from exrbatch.cluster.travel import Orders, event_interval
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.jobs.recompress_job import RecompressRules

MAX_TICK = 0.25
"""Seconds to wait for a message at most, and that are charged to a file between two looks."""
LEAST_TICK = 0.1
"""Seconds between two looks at the time of all files in progress."""
REPEAT_SECONDS = 15.0
"""Frozen workers get their orders again after this long, or they would think that we had died."""
END_SECONDS = 10.0
"""Seconds to wait for workers to give their files up."""


class ClusterWorkers:
    """The workers of a run that a Dask scheduler knows.

    Attributes:
        started: monotonic time when the first file was handed out; None before that.
        paused: seconds in which nothing went on, because the workers were frozen or waited for the
            end of a pause.
        share_cores: false: they are on several machines.
    """

    share_cores = False

    def __init__(self, link: Link, setting: Setting, patience: float) -> None:
        """Ask the workers that are there already to describe themselves.

        Args:
            link: the link to their scheduler.
            setting: what they must know about the run.
            patience: seconds without a worker after which the run stops.
        """
        self.started: float | None = None
        self.paused = 0.0
        self._link, self._setting, self._patience = link, setting, patience
        self._limit = setting.options.jobs
        writes = isinstance(setting.options.rules, RecompressRules) and setting.options.rules.writes
        self._tokens = Tokens(setting.folders, may_write=writes)
        self._members = Members(setting.notice)
        self._bundles: dict[int, Bundle] = {}
        self._count = 0
        self._outcomes: deque[Outcome] = deque()
        self._orders = Orders()
        self._ordered = 0.0
        self._casualties = Casualties()
        self._taken_back: set[str] = set()  # addresses of workers that did not begin once
        self._replacements = Replacements(setting.journal)
        self._pace = Pace()
        self._last_usable = self._last_look = time.monotonic()
        self._journal = None if setting.journal is None else setting.journal.identity()
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._tokens.remove)
            list(map(self._probe, link.listen()))
            on_error.pop_all()

    @property
    def jobs(self) -> int:
        """Number of workers that get files; at least 1."""
        return max(1, min(self._limit or len(self._members.usable), len(self._members.usable)))

    @property
    def idle(self) -> int:
        """Number of free workers."""
        usable = len(self._members.usable)
        return max(0, min(usable, self._limit or usable) - len(self._bundles))

    @property
    def is_busy(self) -> bool:
        """Whether any worker is processing a file."""
        return bool(self._bundles or self._outcomes)

    @property
    def memory(self) -> int:
        """Bytes of memory that all of them together may use for large files."""
        return self._members.share * self.jobs

    def is_enough(self, files: int, size: int) -> bool:
        """Return whether some files of `size` bytes together take long enough for one bundle."""
        return self._pace.is_enough(files, size)

    def running(self) -> Iterator[Running]:
        """List the files in progress, in the order of the workers' numbers."""
        for bundle in sorted(self._bundles.values(), key=lambda each: each.member.number):
            yield bundle.running()

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> None:
        """Give files to a free worker, on the machine that has the least to do."""
        member = self._members.best_free()
        self._count += 1
        made = Bundle.of(self._count, member, bundle, jobs, self._casualties.suspects)
        self.started = self.started or time.monotonic()
        self._bundles[made.number] = made
        member.bundle = made.number
        self._send_piece(made)

    def _send_piece(self, bundle: Bundle) -> None:
        """Send the next piece of a bundle to its worker."""
        member = bundle.member
        task = bundle.next_task(
            self._tokens,
            topic=self._link.topic,
            orders=self._orders,
            every=event_interval(len(self._members.usable)),
            sweep=self._casualties.take_folders(member.machine),
        )
        self._link.send(task, member.address)

    def request_stop(self) -> None:
        """Request that workers start no other file of their bundles."""
        self._order(stop=True)

    def withdraw_stop(self) -> None:
        """Withdraw `request_stop`."""
        self._order(stop=False)

    def freeze(self, wanted: bool) -> None:
        """Stop the files in progress where they are, or let them go on."""
        self._order(frozen=wanted)

    def set_rate(self, rate: int | None) -> None:
        """Limit how much all workers together read and write.

        Args:
            rate: bytes per second; None for no limit.
        """
        each = 0.0 if rate is None else rate / self.jobs
        if not self._orders.is_about(each):
            self._order(rate=each)

    def _order(self, **wanted: bool | float) -> None:
        """Give orders to all workers that have files, if they differ from the present ones.

        The others get them with their next files.
        """
        present = self._orders._asdict()
        if any(present[name] != value for name, value in wanted.items()):
            self._tick(is_forced=True)  # the time until now counts as it was
            self._orders = Orders(**{**present, **wanted, "number": self._orders.number + 1})
            self._repeat_orders()

    def _repeat_orders(self) -> None:
        self._ordered = time.monotonic()
        if self._bundles:
            self._link.give(self._orders, [bundle.member.address for bundle in self._bundles.values()])

    def resize(self, jobs: int) -> None:
        """Change how many workers may get files. Busy workers that are too many end their files."""
        self._limit = jobs

    def next_finished(self, timeout: float) -> Outcome | None:
        """Wait for news that the scheduler can use.

        Args:
            timeout: maximum seconds to wait.

        Returns:
            some reports, or files that must be handed out again; None if there are none.

        Raises:
            RunStopped: the Dask scheduler is gone, or there has been no worker for too long.
        """
        end = time.monotonic() + timeout
        while not self._outcomes:
            self._tick()
            self._check_cluster()
            left = end - time.monotonic()
            if left <= 0:
                return None
            with contextlib.suppress(Empty):
                self._take(self._link.messages.get(timeout=min(left, MAX_TICK)))
        return self._outcomes.popleft()

    def _take(self, message: Message) -> None:
        """Act on one message."""
        match message:
            case Joined(address):
                self._probe(address)
            case Left(address):
                member = self._members.remove(address)
                if member is not None and (bundle := self._bundles.get(member.bundle or 0)) is not None:
                    self._part_with(bundle)
                    self._outcomes.append(self._casualties.bury(bundle))
            case Answered(address, answer, error):
                self._members.take_answer(address, answer, error)
                self._outcomes.append(Outcome([]))  # the scheduler may hand files out
            case Said(event):
                self._hear(event)
            case Ended():
                self._end_piece(message)

    def _probe(self, address: str) -> None:
        if address not in self._members.asked:
            self._members.asked.add(address)
            self._link.probe(address, self._tokens.all, self._journal)

    def _hear(self, event: dict[str, object]) -> None:
        """Take what a worker has said about a file."""
        number = event.get("bundle")
        bundle = self._bundles.get(number) if isinstance(number, int) else None
        index = event.get("index")
        record = self._replacements.hear(event)
        if bundle is not None:
            bundle.note_beginning()
        if bundle is None or not isinstance(index, int) or not 0 <= index < len(bundle.candidates):
            return
        if record is not None:
            self._replacements.note(bundle.candidates[index].path, record)
        elif isinstance(packed := event.get("report"), bytes):
            report = bundle.end(index, packed)
            if report is not None:
                self._count_in(report)
        else:
            bundle.begin(index, float(event.get("done", 0.0)))  # type: ignore[arg-type]
            bundle.waited = float(event.get("waited", 0.0))  # type: ignore[arg-type]

    def _count_in(self, report: FileReport) -> None:
        """Pass a report on, and learn from it how fast the workers are."""
        self._casualties.suspects.discard(report.path)
        self._pace.note(report)
        self._outcomes.append(Outcome([self._replacements.corrected(report)]))

    def _end_piece(self, ended: Ended) -> None:
        """Act on the end of a task: send the next piece, or take back what was not done."""
        bundle = self._bundles.get(ended.number)
        if bundle is None:
            return
        is_whole = ended.error is None and not ended.is_lost and bundle.open.isdisjoint(bundle.sent)
        if is_whole and bundle.pieces and not self._orders.stop:
            self._send_piece(bundle)
            return
        if ended.error is not None:
            self._members.set_worker_aside(bundle.member.address, ended.error, bundle.member.host)
        self._part_with(bundle)
        self._outcomes.append(Outcome([], bundle.unfinished()))

    def _part_with(self, bundle: Bundle) -> None:
        """Note that a worker has a bundle no more."""
        del self._bundles[bundle.number]
        bundle.member.bundle = None
        self._link.drop(bundle.number)

    def _tick(self, *, is_forced: bool = False) -> None:
        """Charge the time that has passed to the files in progress, not more often than needed."""
        now = time.monotonic()
        passed = now - self._last_look
        if passed < LEAST_TICK and not is_forced:
            return
        self._last_look, orders = now, self._orders
        if orders.frozen or (orders.stop and not self._bundles):
            self.paused += passed
        if orders.frozen:
            if now - self._ordered > REPEAT_SECONDS:
                self._repeat_orders()
            return
        options = replace(self._setting.options, jobs=self.jobs)  # all share the bytes per second
        for bundle in [*self._bundles.values()]:
            bundle.seconds += min(passed, MAX_TICK)
            bundle.spent += min(passed, MAX_TICK)
            limit = options.time_limit(bundle.candidates[bundle.current].size)
            if bundle.spent > limit:
                self._give_up(bundle, limit)

    def _give_up(self, bundle: Bundle, limit: float) -> None:
        """Give a file up that takes too long, and restart its worker, unless that has not begun.

        Another run may keep it busy then. It gets files again if it answers, but only once.
        """
        address, host = bundle.member.address, bundle.member.host
        self._part_with(bundle)
        if bundle.has_begun:
            self._members.set_worker_aside(address, "it is stuck, and is being restarted", host)
            self._link.restart(address)
            self._outcomes.append(self._casualties.time_out(bundle, limit))
            return
        self._members.set_worker_aside(address, "it is busy with something else", host)
        self._outcomes.append(Outcome([], bundle.unfinished()))
        if address not in self._taken_back:
            self._taken_back.add(address)
            self._probe(address)

    def _check_cluster(self) -> None:
        """Refresh the tokens; stop the run if there is nobody to do its work."""
        self._tokens.refresh()
        if not self._link.is_up:
            raise RunStopped(f"the Dask scheduler {self._link.name} is gone")
        now = time.monotonic()
        if self._members.usable or self._orders.stop or self._orders.frozen:
            self._last_usable = now
        elif now - self._last_usable > self._patience:
            raise RunStopped(f"no worker for {self._patience:g} s: {self._members.why_none()}")

    def close(self) -> None:
        """Let the workers finish the files in progress, then part with them."""
        self.freeze(False)
        self.request_stop()
        with contextlib.suppress(RunStopped):
            while self._bundles:
                self.next_finished(MAX_TICK)
        self._leave()

    def kill(self) -> list[FileReport]:
        """Have the workers give their files up, and return the reports of files that they had done.

        A worker that puts a new file in place at this moment finishes that.
        """
        self._order(cancelled=True, stop=True, frozen=False)
        end = time.monotonic() + END_SECONDS
        busy = set(self._bundles)
        while busy and self._link.is_up and time.monotonic() < end:
            with contextlib.suppress(Empty):
                message = self._link.messages.get(timeout=MAX_TICK)
                self._take(message)
                if isinstance(message, Said) and message.event.get("ended"):
                    busy.discard(message.event.get("bundle", 0))
            busy &= set(self._bundles)
        reports = [report for outcome in self._outcomes for report in outcome.reports]
        self._outcomes.clear()
        self._leave()
        return reports

    def _leave(self) -> None:
        self._tokens.remove()
        self._link.close()
        if note := self._casualties.note_about_temp_files():
            self._setting.notice(note)
