"""How the steps of a job report their progress. Light to import."""

from collections.abc import Callable

Progress = Callable[[float], None]
"""Called with the part of a step that is done, from 0 to 1."""


def ignore_progress(_done: float) -> None:
    """Report to nobody."""
