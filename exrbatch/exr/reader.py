"""open_exr(path) -> ExrFile: header, offset tables and chunk payloads, every bound checked on the way."""

import io
import os
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from exrbatch.errors import CorruptChunk, InvalidFile, UnsupportedFile
from exrbatch.exr.header import Header, MoreBytesNeeded, parse_header
from exrbatch.exr.tables import PartChunks, parse_tables, table_counts

FIRST_READ = 8192
"""Most headers fit; a preview or a long list of attributes takes more reads, each 4 times as large."""

UNCHECKED_DEEP = 16 << 20
"""Bytes of deep chunks that are read together with their leaders. Before more, the leaders are looked at: nothing
but they say how large a deep chunk should be, and the room in a file that is mostly a hole has no bounds."""

_IOV_MAX = 1024
"""Buffers that one scattered read may fill, on Linux and macOS alike."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The packed bytes of one chunk.

    Flat: `data`. Deep: `table` (sample counts) and `data` (samples, `raw_size` bytes when unpacked).
    """

    data: memoryview
    table: memoryview | None = None
    raw_size: int = 0


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
    """An open file. It holds its descriptor to the end: the inode that was opened is the one that is read."""

    def __init__(self, path: str) -> None:
        """Open the file, parse its header and compare that with the file size.

        Raises `InvalidFile`, `UnsupportedFile` or `OSError`.
        """
        self.path = path
        self._file = io.FileIO(path, opener=_open)
        self._buffer = bytearray()
        self._parts: tuple[PartChunks, ...] | None = None
        self.was_replaced = False  # then nothing but this descriptor holds the file
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

    def read_payloads(self, part: int, chunks: Sequence[int]) -> list[Payload]:
        """Read the payloads of some chunks of a part (indices in table order).

        The views are good until the next call. One read serves chunks that lie side by side. Raises
        `CorruptChunk` where a leader does not say what the chunk's place in the file says.
        """
        table = self.parts[part]
        indices = list(chunks)
        offsets, extents = table.offsets[indices], table.extents[indices]
        size = int(extents.sum())
        if table.leader.is_deep and size > UNCHECKED_DEEP:
            for chunk in indices:
                table.check_deep_sizes(chunk, *self._check_leader_now(table, chunk))
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)
        first, last = int(offsets.min()), int((offsets + extents).max())
        if last - first == size:
            starts = offsets - first
            self._read_into(view[:size], first)
        else:
            starts = extents.cumsum() - extents
            for offset, extent, start in zip(offsets.tolist(), extents.tolist(), starts.tolist(), strict=True):
                self._read_into(view[start : start + extent], offset)
        if table.leader.is_deep:
            return [
                self._deep_payload(table, chunk, start) for chunk, start in zip(indices, starts.tolist(), strict=True)
            ]
        leader_bytes = starts[:, np.newaxis] + np.arange(table.leader.size)
        sizes = table.check_flat_leaders(indices, np.frombuffer(self._buffer, np.uint8)[leader_bytes])
        starts += table.leader.size
        ends = (starts + sizes).tolist()
        return [Payload(view[start:end]) for start, end in zip(starts.tolist(), ends, strict=True)]

    def read_uncompressed(self, part: int, chunks: Sequence[int], raw: memoryview) -> bool:
        """Read chunks that are stored raw and lie side by side straight into `raw`, without a copy in between.

        Returns False, with nothing promised about `raw`, where that can't be done: the chunks lie apart, or
        this system has no scattered read.
        """
        table = self.parts[part]
        indices = list(chunks)
        offsets, extents = table.offsets[indices], table.extents[indices]
        if not hasattr(os, "preadv") or (offsets[1:] != offsets[:-1] + extents[:-1]).any():
            return False
        leader_size = table.leader.size
        leaders = np.empty((len(indices), leader_size), np.uint8)
        views: list[memoryview] = []
        end = 0
        for leader, size in zip(leaders, (extents - leader_size).tolist(), strict=True):
            views += [leader.data, raw[end : end + size]]
            end += size
        position = int(offsets[0])
        for first in range(0, len(views), _IOV_MAX):
            some = views[first : first + _IOV_MAX]
            size = sum(map(len, some))
            if os.preadv(self.fd, some, position) != size:
                return False
            position += size
        table.check_flat_leaders(indices, leaders)
        return end == len(raw)

    def _deep_payload(self, table: PartChunks, chunk: int, start: int) -> Payload:
        table_size, data_size, raw_size = table.check_leader(chunk, self._buffer, start)
        start += table.leader.size
        view = memoryview(self._buffer)
        table.check_deep_sizes(chunk, table_size, data_size, raw_size)
        split = start + table_size
        return Payload(view[split : split + data_size], view[start:split], raw_size)

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
                self._check_leader_now(table, misfit)
                raw = int(table.grid.raw_sizes[misfit])
                room = int(table.extents[misfit]) - table.leader.size
                compression = table.grid.part.compression.name
                raise CorruptChunk(f"{table.where(misfit)}: {room} bytes can't be {raw} raw bytes as {compression}")
            # The last chunk of the file tells at once whether it was cut or something was put behind it.
            last = int(table.offsets.argmax())
            if table.offsets[last] + table.extents[last] == self.stat.st_size:
                self._check_leader_now(table, last)
        return tables

    def _check_leader_now(self, table: PartChunks, chunk: int) -> tuple[int, ...]:
        size = min(table.leader.size, int(table.extents[chunk]))
        return table.check_leader(chunk, self._read_new(int(table.offsets[chunk]), size), 0)

    def _read_new(self, offset: int, size: int) -> bytes:
        data = bytearray(size)
        self._read_into(memoryview(data), offset)
        return bytes(data)

    def _read_into(self, view: memoryview, offset: int) -> None:
        self._file.seek(offset)
        while view:
            count = self._file.readinto(view)
            if not count:
                raise InvalidFile(f"the file became shorter while it was read: {len(view)} bytes are missing")
            view = view[count:]


def _open(path: str, flags: int) -> int:
    """Open without waiting: a pipe by that name would otherwise wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_exr(path: str) -> ExrFile:
    """Open a file; close it with `with`. Raises `InvalidFile`, `UnsupportedFile` or `OSError`."""
    return ExrFile(path)
