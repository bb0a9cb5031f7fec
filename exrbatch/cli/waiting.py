"""A line of progress that appears if something takes more than a moment."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from exrbatch.cli.console import with_clock
from exrbatch.cli.display import PLAIN_SECONDS

MOMENT = 0.7
"""Seconds before the line appears on a terminal."""
REFRESH = 0.2
"""Seconds between two changes of the line."""


class WaitingLine:
    """A line that says what is being done.

    On a terminal it is one line that changes, and is removed at the end. Otherwise a line is
    printed every `PLAIN_SECONDS`. Use it in a `with` statement.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._is_live = console.is_terminal and not console.is_dumb_terminal
        self._live: Live | None = None
        self._next = time.monotonic() + (MOMENT if self._is_live else PLAIN_SECONDS)

    def __enter__(self) -> "WaitingLine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def is_due(self) -> bool:
        """Whether it is time for another text. Ask this first, because it costs next to nothing."""
        return not self._quiet and time.monotonic() >= self._next

    def show(self, text: str) -> None:
        """Show a text that is safe to print."""
        if not self._is_live:
            self._next = time.monotonic() + PLAIN_SECONDS
            self._console.print(with_clock(Text(text)))
            return
        self._next = time.monotonic() + REFRESH
        line = Text(text, style="dim", no_wrap=True, overflow="ellipsis")
        if self._live is None:
            self._live = Live(line, console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(line, refresh=True)
