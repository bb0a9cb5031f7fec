"""What the deaths of workers mean for files, and what dead workers leave behind."""

from collections import Counter
from collections.abc import Sequence

from exrbatch.batch.workers.interface import Death, Outcome
from exrbatch.cluster.bundles import Bundle
from exrbatch.cluster.travel import for_elsewhere
from exrbatch.errors import ReasonCode
from exrbatch.text import format_count, format_duration

MAX_DEATHS = 3
"""If this many workers die of a file, the file is the cause."""
POSSIBLE = 2
"""A worker died of one of the first so many files without a report: the last report may be lost."""


class Casualties:
    """The deaths of the workers of a run.

    Attributes:
        suspects: paths of files that a worker may have died of. They are sent one by one.
    """

    def __init__(self) -> None:
        self.suspects: set[str] = set()
        self._deaths: Counter[str] = Counter()  # by path
        self._to_sweep: dict[str, dict[str, str | None]] = {}  # by machine

    def bury(self, bundle: Bundle) -> Outcome:
        """Handle the death of a worker that had a bundle."""
        in_hand = [index for index in bundle.sent if index in bundle.open]
        self._note_folders(bundle, in_hand[:POSSIBLE])
        self.suspects.update(bundle.candidates[index].path for index in in_hand[:POSSIBLE])
        if len(in_hand) != 1:
            return Outcome([], bundle.unfinished())
        path = bundle.candidates[in_hand[0]].path
        self._deaths[path] += 1
        if self._deaths[path] < MAX_DEATHS:
            return Outcome([], bundle.unfinished())
        reason = f"{MAX_DEATHS} workers died while they processed it, the last one on {bundle.member.host}"
        return self._blame(bundle, in_hand[0], reason, ReasonCode.CRASHED)

    def time_out(self, bundle: Bundle, limit: float) -> Outcome:
        """Handle a file that has taken too long, whose worker is going to be killed.

        Args:
            bundle: the bundle of the file, which is in progress.
            limit: the seconds that it was allowed to take.
        """
        self._note_folders(bundle, bundle.sent)
        reason = f"timed out after {format_duration(limit)} (--file-timeout) on {bundle.member.host}"
        return self._blame(bundle, bundle.current, reason, ReasonCode.TIMEOUT)

    def _blame(self, bundle: Bundle, index: int, reason: str, code: ReasonCode) -> Outcome:
        """Tell the scheduler which file has cost a worker. It tries the file once more."""
        candidate = bundle.candidates[index]
        self._deaths[candidate.path] = MAX_DEATHS - 1
        returned = [each for each in bundle.unfinished() if each is not candidate]
        return Outcome([], returned, Death(candidate, reason, code, is_lost=True))

    def _note_folders(self, bundle: Bundle, indexes: Sequence[int]) -> None:
        folders = self._to_sweep.setdefault(bundle.member.machine, {})
        for index in indexes:
            folders.update(for_elsewhere(bundle.jobs[index]).folders())

    def take_folders(self, machine: str) -> list[tuple[str, str | None]]:
        """Return, once, the folders in which workers of a machine have died.

        Returns:
            each folder; for a folder of backups with that of their frames.
        """
        return [*self._to_sweep.pop(machine, {}).items()]

    def note_about_temp_files(self) -> str | None:
        """Return a line for the user if dead workers may have left temp files."""
        if not (unswept := sum(map(len, self._to_sweep.values()))):
            return None
        return (
            f"dead workers may have left temporary files in {format_count(unswept, 'folder')}; later runs remove them"
        )
