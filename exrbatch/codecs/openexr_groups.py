"""Compress and decompress groups of chunks through OpenEXRCore's C interface."""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

import numpy as np

from exrbatch.codecs.capture import Captured
from exrbatch.codecs.codec import ChunkGroup, Packed, Raw
from exrbatch.codecs.openexr_coders import Compressor, Core, Decompressor, Image, NotDone
from exrbatch.codecs.tiny_file import WORDS, is_plain_bytes
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import Part

_JPEG_2000 = frozenset((Compression.HTJ2K256, Compression.HTJ2K32, Compression.LJ2K))
"""Compressions that print messages of their own."""
_WITHOUT_LEVEL = frozenset(
    {Compression.RLE, Compression.PIZ, Compression.PXR24, Compression.B44, Compression.B44A, *_JPEG_2000}
)
"""Compressions that have no level or quality. The C interface compresses only with these."""
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
            return [
                coder.compress(line, stream.raw) for (coder, line), stream in zip(coders, group.split(raw), strict=True)
            ]

    def decompress(
        self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw | None = None
    ) -> Generator[Raw, None, None]:
        """Decompress a group, chunk by chunk.

        Close the generator if it is not used up: it may hold the standard streams (`Captured`).

        Args:
            group: the chunks.
            packed: their compressed bytes.
            raw: filled with the raw bytes of the group; if None, a buffer for one chunk is used.

        Yields:
            the raw bytes of each chunk, valid until the next one.

        Raises:
            NotDone: nothing is known about the group.
        """
        if raw is None and len(self._buffer) < max(group.sizes):
            self._buffer = np.empty(max(group.sizes), np.uint8)
        start = 0
        with self._quietly() as stack:
            coders = self._coders(Decompressor, group, stack)
            for (coder, line), data, size in zip(coders, packed, group.sizes, strict=True):
                target = self._buffer[:size] if raw is None else raw[start : start + size]
                coder.decompress(line, data, target)
                yield target
                start += size

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

    def _coders(self, kind: type[C], group: ChunkGroup, stack: contextlib.ExitStack) -> Iterator[tuple[C, int]]:
        """Yield a coder for each chunk of a group, and the first line of the chunk in its image.

        A tile is an image of its own, because its content does not depend on its position. Tiles of
        equal size share a coder. The stack closes the coders.
        """
        grid, part, chunks = group.grid, group.part, list(group.chunks)
        if part.tiles is None:
            window = part.data_window
            coder = stack.enter_context(kind(self._core, self._image(part, window.width, window.height)))
            lines = grid.coordinates[chunks, 0] - np.int64(window.y_min)
            yield from ((coder, line) for line in lines.tolist())
            return
        coders: dict[tuple[int, int], C] = {}
        for size in zip(grid.widths[chunks].tolist(), grid.heights[chunks].tolist(), strict=True):
            if size not in coders:
                coders[size] = stack.enter_context(kind(self._core, self._image(part, *size)))
            yield coders[size], 0

    def _image(self, part: Part, width: int, height: int) -> Image:
        """Describe an image of the C interface: a part with scan lines, or a single tile."""
        channels = part.channels
        if is_plain_bytes(self._compression, part):
            channels, width = (WORDS,), width * part.bytes_per_pixel // WORDS.pixel_type.size
        return Image(channels, self._compression, width, height, is_tiled=part.tiles is not None)
