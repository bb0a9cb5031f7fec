"""The consoles for all output. They survive a closed terminal or pipe.

Results go to stdout. Progress, notes and errors go to stderr, so that they stay visible if stdout
is redirected.
"""

import codecs
import contextlib
import io
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

_PLAIN = {"→": "->", "…": "...", "·": "|", **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True))}
"""What stands for our characters in encodings that lack them."""


class LastingStream:
    """A stream that ignores write errors.

    A closed terminal, a closed pipe or a full disk is no reason to stop the run.
    """

    def __init__(self, stream: TextIO, rewrite: Callable[[str], str] = str) -> None:
        """Wrap a stream; `rewrite` changes each text before it is written."""
        self._stream, self._rewrite = stream, rewrite

    def write(self, text: str) -> int:
        """Write the text if possible. Return its length in any case."""
        with contextlib.suppress(OSError):
            self._stream.write(self._rewrite(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Output:
    """The consoles of a run.

    Attributes:
        results: for the summary and what a script may read.
        progress: for the dashboard, notes and errors; on stderr.
    """

    def __init__(self, *, is_json: bool = False, rewrite: Callable[[str], str] = str) -> None:
        """Make the consoles.

        Args:
            is_json: whether stdout is for a JSON document, so that all text goes to stderr.
            rewrite: changes each text for stderr.
        """
        self.progress = lasting_console(sys.stderr, rewrite)
        self.results = self.progress if is_json else lasting_console(sys.stdout)

    def print_file(self, line: Text) -> None:
        """Print the line of a file among the progress.

        On a terminal it must go through the console of the dashboard, which would otherwise be
        drawn over it. In a log it begins with the time.
        """
        if self.progress.is_terminal and self.results.is_terminal:
            self.progress.print(line)
        elif self.results.is_terminal:
            self.results.print(line)
        else:
            self.results.print(with_clock(line))


def with_clock(line: Text) -> Text:
    """Put the local time before a line of a log."""
    return Text(time.strftime("%H:%M:%S ")).append_text(line)


def lasting_console(stream: TextIO, rewrite: Callable[[str], str] = str) -> Console:
    """Return a console on a stream, ignoring write errors; `rewrite` changes each text."""
    if isinstance(stream, io.TextIOWrapper):
        # Nor is a character that the terminal cannot show a reason to stop.
        with contextlib.suppress(OSError):  # it flushes, too
            stream.reconfigure(errors="exrbatch.plain")
    return Console(file=cast(TextIO, LastingStream(stream, rewrite)), highlight=False, soft_wrap=True)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace the first character that an encoding lacks. This is a handler for `codecs`."""
    if isinstance(error, UnicodeEncodeError) and error.object[error.start] in _PLAIN:
        return _PLAIN[error.object[error.start]], error.start + 1
    return codecs.backslashreplace_errors(error)


codecs.register_error("exrbatch.plain", _plain)
