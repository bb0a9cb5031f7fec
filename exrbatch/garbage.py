"""How often Python looks for garbage in cycles. Light to import."""

import gc

THRESHOLD = 50_000
"""Number of new objects after which Python looks for garbage.

With its default of 700 it looks hundreds of times while modules are loaded, and finds nothing.
"""


def look_rarely() -> None:
    """Let this process, and those forked from it, look for garbage less often."""
    gc.set_threshold(THRESHOLD)
