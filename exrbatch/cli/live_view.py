"""The dashboard on a terminal, with keys: it can be left and taken again at any time."""

from rich.console import Console
from rich.live import Live

from exrbatch.cli.keyboard import Keyboard
from exrbatch.dashboard import Dashboard

REFRESHES_PER_SECOND = 4


class LiveView:
    """A dashboard that is drawn again and again at the same place, and the keys.

    Attributes:
        dashboard: what is drawn.
        keyboard: where keys come from.
    """

    def __init__(self, console: Console, dashboard: Dashboard) -> None:
        """Prepare. Nothing is drawn before `start`."""
        self.dashboard = dashboard
        self.keyboard = Keyboard()
        self._console = console
        self._hints = dashboard.hints
        self._live: Live | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the dashboard is drawn now."""
        return self._live is not None

    def start(self) -> None:
        """Take the terminal and draw, unless this process is in the background."""
        if self._live is not None or not self.keyboard.is_in_foreground:
            return
        has_keys = self.keyboard.take()
        self.dashboard.hints = self._hints if has_keys else ()
        self._live = _ResizableLive(self.dashboard, self._console)
        self._live.start()

    def stop(self) -> None:
        """Draw for the last time, and restore the terminal."""
        live, self._live = self._live, None
        try:
            if live is not None:
                live.stop()
        finally:
            self.keyboard.release()

    def refresh(self) -> None:
        """Draw now, for example because a key has changed the view."""
        if self._live is not None:
            self._live.refresh()

    def close(self) -> None:
        """Restore the terminal for good."""
        try:
            self.stop()
        finally:
            self.keyboard.close()


class _ResizableLive(Live):
    """A live display that leaves nothing behind if the terminal becomes narrower.

    The terminal then breaks the lines of the last drawing, so that it takes more lines than before.
    Terminals that cut lines instead lose some lines above the dashboard.
    """

    def __init__(self, dashboard: Dashboard, console: Console) -> None:
        self._dashboard = dashboard
        super().__init__(dashboard, console=console, refresh_per_second=REFRESHES_PER_SECOND)

    def refresh(self) -> None:
        width, lines = self._dashboard.drawn
        now = self.console.width
        if lines and 0 < now <= width:
            self._dashboard.drawn = (now, lines)
            broken = lines * -(-width // now)
            up = f"\x1b[{broken - 1}A" if broken > 1 else ""
            self.console.file.write(f"{up}\r\x1b[J" + "\n" * (lines - 1))
        super().refresh()
