"""CPU and memory use of a run and of its machine."""

import psutil

from exrbatch.text import format_size


class Machine:
    """CPU and memory use of a run with its workers, and of the whole machine.

    Attributes:
        busy: fraction of the machine's CPU time that was used between the last two looks, 0 to 1.
    """

    def __init__(self, pid: int) -> None:
        """Begin to measure.

        Args:
            pid: process ID of the run.
        """
        self.pid = pid
        self.busy = 0.0
        self._processes: dict[int, psutil.Process] = {}
        psutil.cpu_percent()

    def look(self) -> str:
        """Describe the present CPU and memory use.

        CPU use is measured since the previous call, so the first call says 0 %.
        """
        cpu, memory = 0.0, 0
        for process in self._family():
            try:
                cpu += process.cpu_percent()
                memory += process.memory_info().rss
            except psutil.Error:
                continue
        total = psutil.virtual_memory()
        percent = psutil.cpu_percent()
        self.busy = percent / 100
        return (
            f"cpu {percent:.0f} % (ours {cpu / (psutil.cpu_count() or 1):.0f} %) ·"
            f" memory {format_size(memory)} ours, {format_size(total.available)} free"
        )

    def _family(self) -> list[psutil.Process]:
        """List the process of the run and its workers."""
        try:
            me = psutil.Process(self.pid)
            known = {process.pid: process for process in [me, *me.children(recursive=True)]}
        except psutil.Error:  # the run has just ended
            return []
        # A Process object measures CPU use since its own last call, so keep the existing objects.
        self._processes = {pid: self._processes.get(pid, process) for pid, process in known.items()}
        return list(self._processes.values())
