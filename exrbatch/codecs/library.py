"""The OpenEXR library as a codec. No other module calls the library.

The library reads and writes only whole files, so a group of chunks is wrapped in a tiny file in
memory. Scan line chunks become a scan line file that has just their lines. Tiles of equal size
become one column of tiles, because the content of a tile does not depend on its position. The
library writes the same chunks into such a file as into a whole one.

If the library can't decode a part, it raises no exception: it prints a warning and leaves the part
out. It does the same if it runs out of memory. Therefore every result is checked: it must have one
part, with the expected channels, shapes and types. The printed warning is captured and becomes the
reason of the error.

Where the C interface of the library can be used (`openexr_core`), it is faster. If it fails, for
whatever reason, the same group goes the way described above, which decides.
"""

import bisect
import contextlib
import io
import itertools
import struct
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar

import numpy as np

from exrbatch.codecs import openexr_core
from exrbatch.codecs.capture import Captured
from exrbatch.codecs.codec import ChunkGroup, Hash, Packed, Raw
from exrbatch.codecs.openexr_coders import NotDone
from exrbatch.codecs.openexr_groups import GroupCoder
from exrbatch.codecs.planes import DTYPES, Plane, Strip, from_planes, same_planes, to_planes
from exrbatch.codecs.tiny_file import WORDS, as_words, cut, is_plain_bytes, runs, spread, wrap
from exrbatch.errors import CorruptChunk, UnsupportedFile
from exrbatch.exr.compression import Compression, release_number
from exrbatch.exr.part import Part

H = TypeVar("H", bound=Hash)


class LibraryCodec:
    """Codec that calls the OpenEXR library.

    It serves the compressions that are more than a byte stream: PIZ, PXR24, B44, DWA and JPEG 2000.
    In verification it serves all compressions.
    """

    def __init__(self, compression: Compression, lossy_channels: Collection[str] = ()) -> None:
        """Make a codec.

        Args:
            compression: compression of the chunks.
            lossy_channels: names of channels that were allowed to change; `first_difference`
                ignores them.

        Raises:
            UnsupportedFile: the installed OpenEXR is too old for the compression.
        """
        check_release(compression)
        self._compression = compression
        self._lossy_channels = lossy_channels
        self._fast = None if lossy_channels else find_group_coder(compression)

    def pack(self, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Compress a group.

        The library itself stores a chunk raw if compression does not make it smaller.

        Raises:
            UnsupportedFile: the library can't compress these chunks.
        """
        if self._fast is not None:
            with contextlib.suppress(NotDone):
                return self._fast.compress(group, raw)
        packed: list[Packed] = [b""] * len(group.chunks)
        streams = group.split(raw)
        for run in runs(group):
            data = raw if len(run) == len(streams) else np.concatenate([streams[index].raw for index in run])
            strip = self._strip(group, run)
            try:
                with _caught() as caught:
                    payloads = _write(strip, group, run, self._compression, to_planes(strip, data))
            except CorruptChunk as error:  # the file is sound; the library can't compress what it holds
                raise UnsupportedFile(f"{self._compression.name}: {error}") from None
            if len(payloads) != len(run):
                raise UnsupportedFile(f"OpenEXR compressed {len(payloads)} of {len(run)} chunks: {caught.words}")
            for index, payload in zip(run, payloads, strict=True):
                packed[index] = payload
        return packed

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress a group into `raw`."""
        if self._fast is None or not self._fast.fill(group, packed, raw):
            self._unpack(group, packed, raw)

    def hash_raw(self, group: ChunkGroup, packed: Sequence[memoryview], new_hash: Callable[[], H]) -> H:
        """Decompress a group and return a hash of its raw bytes.

        Args:
            group: the chunks.
            packed: their compressed bytes.
            new_hash: makes an empty hash.

        Raises:
            CorruptChunk: a chunk can't be decompressed; the error holds its index.
        """
        seen = new_hash()
        with contextlib.suppress(NotDone), closing(self._decompressed(group, packed)) as pieces:
            for raw in pieces:
                seen.update(raw)
            return seen
        seen = new_hash()
        seen.update(self._unpacked(group, packed))
        return seen

    def _unpacked(self, group: ChunkGroup, packed: Sequence[memoryview]) -> Raw:
        """Decompress a group with `OpenEXR.File` and return its raw bytes.

        They are not copied if the library returns them in the order of a file, which is the case if
        the whole group was read as one channel of words.
        """
        all_runs = list(runs(group))
        if len(all_runs) == 1 and self._strip(group, all_runs[0]).part.channels == (WORDS,):
            plane = self._unpack_run(group, all_runs[0], packed)[WORDS.name]
            return np.ascontiguousarray(plane).view(np.uint8).reshape(-1)
        raw = np.empty(group.raw_size, np.uint8)
        self._unpack(group, packed, raw)
        return raw

    def _unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress a group into `raw` with `OpenEXR.File`."""
        streams = group.split(raw)
        for run in runs(group):
            planes = self._unpack_run(group, run, packed)
            strip = self._strip(group, run)
            if len(run) == len(streams):
                from_planes(strip, planes, raw)
                continue
            together = np.empty(sum(group.sizes[index] for index in run), np.uint8)
            from_planes(strip, planes, together)
            for index, piece in zip(
                run, np.split(together, np.cumsum([group.sizes[i] for i in run])[:-1]), strict=True
            ):
                streams[index].raw[:] = piece

    def first_difference(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> int | None:
        """Decompress a group and compare it.

        Return None if all samples are equal. Otherwise return the first chunk that differs; if
        `OpenEXR.File` decompresses, the first one of its tiny file, which is less exact.
        """
        streams = group.split(raw)
        with contextlib.suppress(NotDone), closing(self._decompressed(group, packed)) as pieces:
            start = 0
            for piece in pieces:
                end = start + len(piece)
                if not np.array_equal(piece, raw[start:end]):
                    different = start + int(np.argmax(piece != raw[start:end]))
                    return group.chunks[bisect.bisect(list(itertools.accumulate(group.sizes)), different)]
                start = end
            return None
        for run in runs(group):
            data = raw if len(run) == len(streams) else np.concatenate([streams[index].raw for index in run])
            planes = self._unpack_run(group, run, packed)
            if not same_planes(self._strip(group, run), planes, data, self._lossy_channels):
                return group.chunks[run[0]]
        return None

    def _decompressed(
        self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw | None = None
    ) -> Generator[Raw, None, None]:
        """Do `GroupCoder.decompress`, or raise `NotDone` if there is no C interface."""
        if self._fast is None:
            raise NotDone("no C interface")
        return self._fast.decompress(group, packed, raw)

    def _treats_as_words(self, part: Part) -> bool:
        return not self._lossy_channels and is_plain_bytes(self._compression, part)

    def _strip(self, group: ChunkGroup, run: Sequence[int]) -> Strip:
        """Return the image of the tiny file: the lines of a run, or a column of tiles.

        Its data window begins at (0, 0), whatever the window of the part. Subsampled channels keep
        their lines, because a run begins on a line that has samples of every channel. The library
        refuses windows near 2^30, and with this origin it never gets one.
        """
        grid, part = group.grid, group.part
        lines = int(grid.heights[[group.chunks[index] for index in run]].sum())
        width = int(grid.widths[group.chunks[run[0]]])
        if self._treats_as_words(part):
            return Strip(as_words(part), width * part.bytes_per_pixel // WORDS.pixel_type.size, lines)
        return Strip(part, width, lines)

    def _unpack_run(self, group: ChunkGroup, run: Sequence[int], packed: Sequence[memoryview]) -> dict[str, Plane]:
        """Decompress a run, or raise `CorruptChunk` with the index of a damaged chunk."""
        try:
            return self._read(group, run, packed)
        except CorruptChunk as error:
            raise CorruptChunk(str(error), self._culprit(group, run, packed)) from None

    def _read(self, group: ChunkGroup, run: Sequence[int], packed: Sequence[memoryview]) -> dict[str, Plane]:
        strip = self._strip(group, run)
        data = wrap(strip, group, run, packed, self._compression)
        with _caught() as caught:
            parts = _library().File(io.BytesIO(data), separate_channels=True).parts
        if len(parts) != 1:
            raise CorruptChunk(f"OpenEXR can't decompress it: {caught.words}")
        planes = {name: channel.pixels for name, channel in parts[0].channels.items()}
        expected = {c.name: (strip.shape(c), np.dtype(DTYPES[c.pixel_type])) for c in strip.part.channels}
        if {name: (plane.shape, plane.dtype) for name, plane in planes.items()} != expected:
            raise CorruptChunk("OpenEXR returned channels, sizes or types that differ from the header")
        return planes

    def _culprit(self, group: ChunkGroup, run: Sequence[int], packed: Sequence[memoryview]) -> int:
        """Return the first damaged chunk of a run that can't be read.

        This is a binary search: a run may have thousands of chunks, and only the last may be bad.
        """
        while len(run) > 1:
            half = len(run) // 2
            try:
                self._read(group, run[:half], packed)
            except CorruptChunk:
                run = run[:half]
            else:
                run = run[half:]
        return group.chunks[run[0]]


def find_group_coder(compression: Compression) -> GroupCoder | None:
    """Return a coder that uses the C interface of the library, or None if there is none."""
    core = openexr_core.find_core(library_path(), _library().OPENEXR_VERSION)
    return None if core is None else GroupCoder(core, compression)


def library_path() -> str:
    """Return the path of the extension module of OpenEXR, which exports C functions, too."""
    return getattr(_library(), "__file__", "")


def check_release(compression: Compression) -> None:
    """Check that the installed OpenEXR is new enough for a compression.

    An older library must not be called with a compression that it does not know: it treats the
    compression as ZIP, or leaves the part out.

    Raises:
        UnsupportedFile: the installed OpenEXR is too old.
    """
    installed, needed = _library().OPENEXR_VERSION, compression.facts.first_release
    if release_number(installed) < release_number(needed):
        raise UnsupportedFile(f"{compression.name} needs OpenEXR {needed} or newer; {installed} is installed")


def _library() -> Any:
    """Import OpenEXR when it is first needed, because most files don't need it.

    The import takes a tenth of a second.
    """
    import OpenEXR

    return OpenEXR


def _write(
    strip: Strip, group: ChunkGroup, run: Sequence[int], compression: Compression, planes: dict[str, Plane]
) -> list[bytes]:
    """Let the library write the tiny file, and return the payloads of its chunks."""
    library, part = _library(), strip.part
    window = (np.array([0, 0], np.int32), np.array([strip.width - 1, strip.lines - 1], np.int32))
    header: dict[str, Any] = {
        "compression": library.Compression(int(compression)),
        "type": library.tiledimage if part.tiles else library.scanlineimage,
        "dataWindow": window,
        "displayWindow": window,
        "lineOrder": library.INCREASING_Y,
    }
    if part.tiles:
        header["tiles"] = library.TileDescription()
        header["tiles"].xSize = strip.width
        header["tiles"].ySize = int(group.grid.heights[group.chunks[run[0]]])
    quality = part.find("dwaCompressionLevel")
    if quality is not None and quality.type == "float" and len(quality.value) == 4:
        header["dwaCompressionLevel"] = struct.unpack("<f", quality.value)[0]
    channels = {}
    for channel in part.channels:
        plane = planes[channel.name]
        x, y = channel.x_sampling, channel.y_sampling
        if (x, y) != (1, 1):
            plane = spread(plane, (strip.lines, strip.width))
        channels[channel.name] = library.Channel(channel.name, plane, x, y, channel.is_perceptually_linear)
    stream = io.BytesIO()
    with library.File(header, channels) as file:
        file.write(stream)
    return cut(stream.getvalue())


@contextlib.contextmanager
def _caught() -> Iterator[Captured]:
    """Capture what the library prints, and turn its exceptions into `CorruptChunk`.

    MemoryError is passed on unchanged, because it says nothing about the file.
    """
    captured = Captured()
    try:
        with captured:
            yield captured
    except (RuntimeError, ValueError, TypeError) as error:
        raise CorruptChunk(f"OpenEXR failed: {error}; {captured.words}") from None
