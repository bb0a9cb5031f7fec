"""How the steps of a job report their progress. This module is light to import."""

from collections.abc import Callable

Progress = Callable[[float], None]
"""A function that is called with the fraction of a step that is done, 0 to 1."""


def ignore_progress(_done: float) -> None:
    """Ignore the progress."""
