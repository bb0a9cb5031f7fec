"""The engine that hands the files of a run to the workers of a cluster."""

from exrbatch.batch.options import MAX_JOBS
from exrbatch.batch.workers.interface import Setting
from exrbatch.cluster.link import Address, Link
from exrbatch.cluster.workers import ClusterWorkers
from exrbatch.errors import OptionsError


class Cluster:
    """A connected Dask scheduler, and the workers that it has now or later."""

    is_elsewhere = True

    def __init__(self, address: Address, patience: float) -> None:
        """Connect to the scheduler.

        Args:
            address: where it is.
            patience: seconds without a worker after which the run stops.

        Raises:
            OptionsError: that is impossible.
        """
        if patience <= 0:
            raise OptionsError(f"to wait {patience:g} s for a worker: must be more than 0")
        self._patience = patience
        self._link = Link(address)

    @property
    def most_jobs(self) -> int:
        """The largest number of workers that is possible."""
        return MAX_JOBS

    def jobs(self, wanted: int | None) -> tuple[int | None, str | None]:
        """Return the number of workers to begin with: as many as there are, without a limit."""
        return wanted, None

    def start(self, setting: Setting) -> ClusterWorkers:
        """Ask the workers to describe themselves, and give files to those that can be used."""
        return ClusterWorkers(self._link, setting, self._patience)

    def close(self) -> None:
        """Take leave of the scheduler."""
        self._link.close()
