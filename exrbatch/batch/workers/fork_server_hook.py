"""Prepare the fork server: quiet workers, few looks for garbage, and a quick end.

The fork server loads this module, and no other process does. If a run is interrupted while it
starts its workers, a new worker finds that the semaphores of its parent, or the parent itself, are
gone. That is no error that a user should see.
"""

import atexit
import gc
import sys
from types import TracebackType

from exrbatch import garbage

_SIGNS = (FileNotFoundError, EOFError, ConnectionError)
"""What a worker gets if its parent is gone. The parent reports other errors, too."""


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, _SIGNS):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _show
garbage.look_rarely()  # workers inherit that
atexit.register(gc.freeze)  # the interpreter would look at all objects several times while it ends
