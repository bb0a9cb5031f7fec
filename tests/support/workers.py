"""What fake workers for tests of the scheduler have in common."""

from exrbatch.batch.workers.pool import BUNDLE_BYTES, BUNDLE_FILES


class FakeMachine:
    """Facts of workers on one machine, with bundles as in a real pool."""

    memory = 0
    share_cores = True

    def is_enough(self, files: int, size: int) -> bool:
        return files >= BUNDLE_FILES or size >= BUNDLE_BYTES
