"""open_exr(path) -> ExrFile: header, offset tables and bytes, every bound checked on the way."""

import io
import os
import stat
import threading
from types import TracebackType

from exrbatch.errors import CorruptChunk, InvalidFile, UnsupportedFile
from exrbatch.exr.header import Header, MoreBytesNeeded, parse_header
from exrbatch.exr.offset_tables import PartChunks, parse_tables, table_counts

FIRST_READ = 8192
"""Most headers fit; a preview or a long list of attributes takes more reads, each 4 times as large."""


SMALL = 64 * 1000 * 1000
"""Raw bytes that any file may ask for at once. Who has more memory to give says so (`ExrFile.raw_limit`)."""


class _Closer:
    """Closes files on a thread, one at a time.

    The last close of a file whose name is gone frees its blocks. Where the disk is told of that (mount option
    `discard`) the close of a 400 MB frame waits half a second and computes nothing: time for the next frame.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def close(self, file: io.FileIO) -> None:
        """Close a file behind the caller's back; waits for the one before, so that at most one takes space."""
        if self._thread is not None:
            self._thread.join()
        self._thread = threading.Thread(target=file.close, name="exrbatch-close")
        self._thread.start()


_closer = _Closer()


class ExrFile:
    """An open file. It holds its descriptor to the end: the inode that was opened is the one that is read.

    Attributes:
        path: as it was given.
        raw_limit: raw bytes that may be unpacked at once.
        stat: its state when it was opened.
        header: its header.
        was_replaced: whether nothing but this descriptor holds the file any more.
    """

    def __init__(self, path: str, raw_limit: int, fd: int | None = None) -> None:
        """Open the file, parse its header and compare that with the file size.

        `fd`: a descriptor of the file, if it is open already; it stays open, and is the caller's.

        Raises `InvalidFile`, `UnsupportedFile` or `OSError`.
        """
        self.path = path
        self.raw_limit = raw_limit
        self._file = io.FileIO(path, opener=_open) if fd is None else io.FileIO(fd, closefd=False)
        self._lock = threading.Lock()
        self._parts: tuple[PartChunks, ...] | None = None
        self.was_replaced = False
        try:
            self.stat = os.fstat(self.fd)
            if not stat.S_ISREG(self.stat.st_mode):
                raise UnsupportedFile("not a regular file")
            self.header = self._read_header()
            self._counts = table_counts(self.header, self.stat.st_size)
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
        """The descriptor, for `os.fstat` and the like."""
        return self._file.fileno()

    @property
    def parts(self) -> tuple[PartChunks, ...]:
        """The chunk tables, read and checked when first asked for: a finished file needs its header only."""
        if self._parts is None:
            self._parts = self._read_tables()
        return self._parts

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill a view with the bytes at an offset; any number of threads may do that at once.

        Raises `InvalidFile` where the file has become too short.
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
        """Read and check the leader of one chunk; return its size fields. Raises `CorruptChunk`."""
        size = min(table.leader.size, int(table.extents[chunk]))
        return table.check_leader(chunk, self._read_new(int(table.offsets[chunk]), size), 0)

    def _read_header(self) -> Header:
        size = min(FIRST_READ, self.stat.st_size)
        while True:
            try:
                return parse_header(self._read_new(0, size), self.stat.st_size)
            except MoreBytesNeeded as more:
                size = min(max(more.size, 4 * size), self.stat.st_size)

    def _read_tables(self) -> tuple[PartChunks, ...]:
        data = self._read_new(len(self.header.raw), 8 * sum(self._counts))
        tables = parse_tables(self.header, self._counts, data, self.stat.st_size)
        for table in tables:
            misfit = table.first_misfit()
            if misfit is not None:
                # Its leader tells best what is wrong with it: a cut, a gap, an overlap or a lie about the picture.
                self.check_leader_now(table, misfit)
                raw = int(table.grid.raw_sizes[misfit])
                room = int(table.extents[misfit]) - table.leader.size
                compression = table.grid.part.compression.name
                raise CorruptChunk(f"{table.where(misfit)}: {room} bytes can't be {raw} raw bytes as {compression}")
            # The last chunk of the file tells at once whether it was cut or something was put behind it.
            last = int(table.offsets.argmax())
            if table.offsets[last] + table.extents[last] == self.stat.st_size:
                self.check_leader_now(table, last)
        return tables

    def _read_new(self, offset: int, size: int) -> bytes:
        data = bytearray(size)
        self.read_into(memoryview(data), offset)
        return bytes(data)


def _open(path: str, flags: int) -> int:
    """Open without waiting: a pipe by that name would otherwise wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_exr(path: str, raw_limit: int = SMALL, fd: int | None = None) -> ExrFile:
    """Open a file; close it with `with`. Raises `InvalidFile`, `UnsupportedFile` or `OSError`.

    `fd`: a descriptor of the file, if it is open already; it stays open, and is the caller's.
    """
    return ExrFile(path, raw_limit, fd)
