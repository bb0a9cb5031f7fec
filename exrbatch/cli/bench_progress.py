"""How far a benchmark has got: the announcement, a bar or lines, and the time left."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from exrbatch.bench.packing import Trial
from exrbatch.bench.passes import WARM_UP
from exrbatch.bench.result import TrialResult
from exrbatch.bench.session import Session
from exrbatch.cli.display import PLAIN_SECONDS
from exrbatch.text import format_count, format_duration


def announcement(session: Session) -> Text:
    """Say how many trials there will be, and how long they will take."""
    trials = format_count(session.trials, "trial")
    passes = f"a warm-up and {session.passes} pass{'es' * (session.passes > 1)}"
    seconds = session.total_seconds + session.copying_seconds
    return Text(f"{trials}, {passes}: about {format_duration(seconds)}", style="bold")


class BenchProgress:
    """The display of the present trial and the time left.

    On a terminal it is a progress bar; otherwise a line is printed every `PLAIN_SECONDS`. In both
    cases, the time left is corrected with each trial.
    """

    def __init__(self, session: Session, console: Console, *, quiet: bool, verbose: bool) -> None:
        """Show a session.

        Args:
            session: the session; it has not started yet.
            console: where to show it.
            quiet: show nothing.
            verbose: also print a line for each trial that has ended.
        """
        self._session = session
        self._console = console
        self._quiet, self._verbose = quiet, verbose
        self._is_live = console.is_terminal and not console.is_dumb_terminal and not quiet
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]} left")
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task(self._doing(), total=session.total_seconds, left=self._left())
        self._next_line = time.monotonic() + PLAIN_SECONDS

    def __enter__(self) -> "BenchProgress":
        if self._is_live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_live:
            self._bar.stop()

    def update(self, result: TrialResult) -> None:
        """Update the display after a trial."""
        session = self._session
        if self._verbose:
            seconds = format_duration(result.seconds)
            self._console.print(Text(f"{self._named(result.number, result.trial)}: {seconds}"))
        total = session.total_seconds
        done = total - session.remaining_seconds
        self._bar.update(self._task, description=self._doing(), total=total, completed=done, left=self._left())
        if self._quiet:
            return
        if session.has_warmed_up:
            self._console.print(Text(f"after the warm-up: about {self._left()} left", "dim"))
        if not self._is_live and time.monotonic() >= self._next_line:
            self._next_line += PLAIN_SECONDS
            self._console.print(Text(f"{self._doing()}, {self._left()} left"))

    def _left(self) -> str:
        return format_duration(self._session.remaining_seconds)

    def _doing(self) -> str:
        return "done" if self._session.current is None else self._named(*self._session.current)

    def _named(self, number: int, trial: Trial) -> str:
        return f"{'warm-up' if number == WARM_UP else f'pass {number} of {self._session.passes}'}: {trial.name}"
