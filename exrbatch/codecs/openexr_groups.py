"""Compress and decompress groups of chunks through OpenEXRCore's C interface."""

import contextlib
import itertools
from collections.abc import Generator, Sequence
from typing import TypeVar

import numpy as np

from exrbatch.codecs.capture import Captured
from exrbatch.codecs.codec import ChunkGroup, Packed, Raw
from exrbatch.codecs.openexr_coders import Compressor, Core, Decompressor, Image, NotDone, address
from exrbatch.codecs.tiny_file import WORDS, is_plain_bytes
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import Part

_JPEG_2000 = frozenset((Compression.HTJ2K256, Compression.HTJ2K32, Compression.LJ2K))
"""Compressions that print messages of their own."""
_WITHOUT_LEVEL = frozenset(
    {Compression.RLE, Compression.PIZ, Compression.PXR24, Compression.B44, Compression.B44A, *_JPEG_2000}
)
"""Compressions that have no level or quality. The C interface compresses only with these."""
PIECE_BYTES = 1 << 17
"""Raw bytes that are handed out together: so few that they are in the cache when they are used."""
C = TypeVar("C", Compressor, Decompressor)


class GroupCoder:
    """Compresses and decompresses groups of flat chunks with one compression."""

    def __init__(self, core: Core, compression: Compression) -> None:
        self._core, self._compression = core, compression
        self._buffer = np.empty(0, np.uint8)

    def compress(self, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Compress a group as `Codec.pack` does.

        Raises:
            NotDone: nothing is known about the group.
        """
        if self._compression not in _WITHOUT_LEVEL:
            raise NotDone("needs a level")
        with self._quietly() as stack:
            coders = self._coders(Compressor, group, stack)
            ends = list(itertools.accumulate(group.sizes))
            start, first = address(raw), zip(coders, group.sizes, ends, strict=True)
            packed = [coder.compress_at(line, start + end - size, size) for (coder, line), size, end in first]
        return [
            raw[end - size : end].data if one is None else one
            for one, size, end in zip(packed, group.sizes, ends, strict=True)
        ]

    def decompress(
        self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw | None = None
    ) -> Generator[Raw, None, None]:
        """Decompress a group.

        Close the generator if it is not used up: it may hold the standard streams (`Captured`).

        Args:
            group: the chunks.
            packed: their compressed bytes.
            raw: filled with the raw bytes of the group; if None, a small buffer is used.

        Yields:
            the raw bytes of one or more chunks, valid until the next ones.

        Raises:
            NotDone: nothing is known about the group.
        """
        if raw is None:
            size = min(max(PIECE_BYTES, *group.sizes), group.raw_size)
            if len(self._buffer) < size:
                self._buffer = np.empty(size, np.uint8)
            raw = self._buffer[:size]
        start, filled, space = address(raw), 0, len(raw)
        with self._quietly() as stack:
            coders = self._coders(Decompressor, group, stack)
            for (coder, line), data, size in zip(coders, packed, group.sizes, strict=True):
                if filled + size > space:
                    yield raw[:filled]
                    filled = 0
                coder.decompress_at(line, data, start + filled, size)
                filled += size
            yield raw[:filled]

    def fill(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> bool:
        """Decompress a group into `raw`; return whether that was possible."""
        with contextlib.suppress(NotDone), contextlib.closing(self.decompress(group, packed, raw)) as pieces:
            for _ in pieces:
                pass
            return True
        return False

    def _quietly(self) -> contextlib.ExitStack:
        """Return a stack for coders. While it is open, nothing is printed."""
        stack = contextlib.ExitStack()
        if self._compression in _JPEG_2000:
            stack.enter_context(Captured())
        return stack

    def _coders(self, kind: type[C], group: ChunkGroup, stack: contextlib.ExitStack) -> list[tuple[C, int]]:
        """Return a coder for each chunk of a group, and the first line of the chunk in its image.

        A tile is an image of its own, because its content does not depend on its position. Tiles of
        equal size share a coder. The stack closes the coders.
        """
        grid, part, chunks = group.grid, group.part, list(group.chunks)
        if part.tiles is None:
            window = part.data_window
            coder = stack.enter_context(kind(self._core, self._image(part, window.width, window.height)))
            lines = grid.coordinates[chunks, 0] - np.int64(window.y_min)
            return [(coder, line) for line in lines.tolist()]
        sizes = list(zip(grid.widths[chunks].tolist(), grid.heights[chunks].tolist(), strict=True))
        coders = {
            size: stack.enter_context(kind(self._core, self._image(part, *size))) for size in dict.fromkeys(sizes)
        }
        return [(coders[size], 0) for size in sizes]

    def _image(self, part: Part, width: int, height: int) -> Image:
        """Describe an image of the C interface: a part with scan lines, or a single tile."""
        channels = part.channels
        if is_plain_bytes(self._compression, part):
            channels, width = (WORDS,), width * part.bytes_per_pixel // WORDS.pixel_type.size
        return Image(channels, self._compression, width, height, is_tiled=part.tiles is not None)
