"""The console for all output. It survives a closed terminal or pipe."""

import contextlib
import io
from typing import Any, TextIO, cast

from rich.console import Console


class LastingStream:
    """A stream that ignores write errors.

    A closed terminal, a closed pipe or a full disk is no reason to stop the run.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text if possible. Return its length in any case."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lasting_console(stream: TextIO) -> Console:
    """Return a console on a stream, ignoring write errors."""
    if isinstance(stream, io.TextIOWrapper):
        # Nor is a character that the terminal cannot show a reason to stop.
        with contextlib.suppress(OSError):  # it flushes, too
            stream.reconfigure(errors="backslashreplace")
    return Console(file=cast(TextIO, LastingStream(stream)), highlight=False, soft_wrap=True)
