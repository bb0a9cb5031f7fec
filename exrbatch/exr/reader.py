"""Open an EXR file and read its header, offset tables and bytes, with every bound checked."""

import io
import os
import stat
import threading
from types import TracebackType

from exrbatch.errors import CorruptChunk, InvalidFile, ReasonCode, UnsupportedFile
from exrbatch.exr.header import Header, MoreBytesNeeded, parse_header
from exrbatch.exr.offset_tables import PartChunks, parse_tables, table_counts

FIRST_READ = 8192
"""Size of the first read in bytes.

Most headers fit. A preview or a long list of attributes takes more reads, each 4 times as large.
"""


SMALL = 64 * 1000 * 1000
"""Raw bytes of a file that may be decompressed at once, unless the caller allows more.

A caller that can spare more memory sets a higher `ExrFile.raw_limit`.
"""


class _Closer:
    """Closes files in a background thread, one at a time.

    The last close of a file without a name frees its blocks. On a file system that reports freed
    blocks to the disk (mount option `discard`), closing a 400 MB frame waits for half a second
    without using the CPU. In this time the next frame can be processed.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def close(self, file: io.FileIO) -> None:
        """Close a file in the background.

        First wait for the previous close, so that at most one closed file still takes disk space.
        """
        if self._thread is not None:
            self._thread.join()
        self._thread = threading.Thread(target=file.close, name="exrbatch-close")
        self._thread.start()


_closer = _Closer()


class ExrFile:
    """An open EXR file.

    It keeps its descriptor until it is closed. Thus all reads are from the inode that was opened,
    even if the path is replaced.

    Attributes:
        path: path as given by the caller.
        raw_limit: most raw bytes that may be decompressed at once.
        stat: result of `os.fstat` when the file was opened.
        header: parsed header.
        counts: number of chunks of each part.
        was_replaced: whether the file was replaced under its name, so that closing it may free its
            blocks. A caller that replaces the file sets this; it is then closed in the background.
    """

    def __init__(self, path: str, raw_limit: int, fd: int | None = None) -> None:
        """Open the file, parse its header, and check it against the file size; see `open_exr`."""
        self.path = path
        self.raw_limit = raw_limit
        self._file = io.FileIO(path, opener=_open) if fd is None else io.FileIO(fd, closefd=False)
        self._lock = threading.Lock()
        self._parts: tuple[PartChunks, ...] | None = None
        self.was_replaced = False
        try:
            self.stat = os.fstat(self.fd)
            if not stat.S_ISREG(self.stat.st_mode):
                raise UnsupportedFile("not a regular file", code=ReasonCode.NOT_A_FILE)
            self.header = self._read_header()
            self.counts = table_counts(self.header, self.stat.st_size)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "ExrFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.was_replaced:
            _closer.close(self._file)
        else:
            self._file.close()

    @property
    def fd(self) -> int:
        """The descriptor of the file, for example for `os.fstat`."""
        return self._file.fileno()

    @property
    def parts(self) -> tuple[PartChunks, ...]:
        """The chunk tables of all parts.

        They are read and checked at first use, because a file that needs no work needs only its
        header.
        """
        if self._parts is None:
            self._parts = self._read_tables()
        return self._parts

    def use_tables(self, tables: tuple[PartChunks, ...]) -> None:
        """Make these the chunk tables, instead of those that `parts` would read and check."""
        self._parts = tables

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill a view with the bytes at an offset. Several threads may call this at the same time.

        Raises:
            InvalidFile: the file has become too short.
        """
        while view:
            count = self._read_some(view, offset)
            if not count:
                raise InvalidFile(f"the file became shorter while it was read: {len(view)} bytes are missing")
            view, offset = view[count:], offset + count

    def _read_some(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self.fd, [view], offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.readinto(view) or 0

    def check_leader_now(self, table: PartChunks, chunk: int) -> tuple[int, ...]:
        """Read and check the leader of one chunk.

        Returns:
            the sizes in the leader.

        Raises:
            CorruptChunk: the leader is wrong.
        """
        size = min(table.leader.size, int(table.extents[chunk]))
        return table.check_leader(chunk, self.read(int(table.offsets[chunk]), size), 0)

    def _read_header(self) -> Header:
        size = min(FIRST_READ, self.stat.st_size)
        while True:
            try:
                return parse_header(self.read(0, size), self.stat.st_size)
            except MoreBytesNeeded as more:
                size = min(max(more.size, 4 * size), self.stat.st_size)

    def _read_tables(self) -> tuple[PartChunks, ...]:
        data = self.read(len(self.header.raw), 8 * sum(self.counts))
        tables = parse_tables(self.header, self.counts, data, self.stat.st_size)
        for table in tables:
            misfit = table.first_misfit()
            if misfit is not None:
                # Checking the leader gives the most specific error: a truncation, a gap, an overlap
                # or wrong coordinates.
                self.check_leader_now(table, misfit)
                raw = int(table.grid.raw_sizes[misfit])
                available = int(table.extents[misfit]) - table.leader.size
                compression = table.grid.part.compression.name
                raise CorruptChunk(
                    f"{table.where(misfit)}: {available} bytes can't decompress to {raw} bytes with {compression}"
                )
            # The last chunk of the file shows whether the file was truncated or extended.
            last = int(table.offsets.argmax())
            if table.offsets[last] + table.extents[last] == self.stat.st_size:
                self.check_leader_now(table, last)
        return tables

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at an offset.

        Raises:
            InvalidFile: the file has become too short.
        """
        data = bytearray(size)
        self.read_into(memoryview(data), offset)
        return bytes(data)


def _open(path: str, flags: int) -> int:
    """Open a file without blocking; opening a named pipe would otherwise wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_exr(path: str, raw_limit: int = SMALL, fd: int | None = None) -> ExrFile:
    """Open an EXR file; use the result in a `with` statement.

    Args:
        path: path of the file.
        raw_limit: most raw bytes that may be decompressed at once.
        fd: descriptor of the file if it is already open. The caller keeps it and closes it.

    Raises:
        InvalidFile: it is not a valid EXR file.
        UnsupportedFile: it is not a regular file, or exceeds a limit.
        OSError: it can't be opened or read.
    """
    return ExrFile(path, raw_limit, fd)
