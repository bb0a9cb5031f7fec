"""Which of the files that a run finds are taken."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from exrbatch.errors import OptionsError

if TYPE_CHECKING:
    import pathspec


class Selection:
    """Selects files: those of a walk by gitignore patterns, and all files by their size.

    Attributes:
        left_out: number of files that were not taken.
    """

    def __init__(
        self,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        min_size: int = 0,
        max_size: int | None = None,
    ) -> None:
        """Make a selection.

        Args:
            include: patterns; of a walk, only files that match are taken.
            exclude: patterns; of a walk, files and folders that match are left out.
            min_size: size in bytes of the smallest file that is taken.
            max_size: size in bytes of the largest file that is taken; None for no limit.
        """
        self._include, self._exclude = _spec(include), _spec(exclude)
        self._min_size, self._max_size = min_size, max_size
        self.left_out = 0

    def takes_size(self, size: int) -> bool:
        """Return whether to take a file with this size in bytes."""
        is_taken = self._min_size <= size and (self._max_size is None or size <= self._max_size)
        self.left_out += not is_taken
        return is_taken

    def takes_file(self, relative: str) -> bool:
        """Return whether to take a file, given its path relative to the walked folder."""
        is_taken = (self._include is None or self._include.match_file(relative)) and (
            self._exclude is None or not self._exclude.match_file(relative)
        )
        self.left_out += not is_taken
        return is_taken

    def takes_folder(self, relative: str) -> bool:
        """Return whether to walk a folder, given its path relative to the walked folder."""
        return self._exclude is None or not self._exclude.match_file(relative + "/")


def _spec(patterns: Sequence[str]) -> "pathspec.GitIgnoreSpec | None":
    if not patterns:
        return None
    import pathspec  # imported late, so that runs without patterns start sooner

    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise OptionsError(f"invalid pattern: {error}") from None
