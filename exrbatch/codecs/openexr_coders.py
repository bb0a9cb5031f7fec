"""Compress and decompress single chunks through OpenEXRCore's C interface.

No Python function is called back from C: a signal handler could raise KeyboardInterrupt in it,
which ctypes would swallow. So there is not even a file in memory to read or write. As in OpenEXR's
own class `Compressor`, a temporary context gets the facts of the header, and the coders get
addresses.
"""

import contextlib
import ctypes
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from exrbatch.codecs.codec import Packed, Raw
from exrbatch.codecs.openexr_structures import (
    ARGUMENTS,
    GUARD,
    Box,
    ChunkInfo,
    DecodePipeline,
    EncodePipeline,
    Guard,
    Initializer,
    Report,
)
from exrbatch.exr.channel import Channel
from exrbatch.exr.chunks import INT32_MAX
from exrbatch.exr.compression import Compression


class NotDone(Exception):
    """This path could not compress or decompress a chunk, with which nothing need be wrong."""


@dataclass(frozen=True, slots=True)
class Image:
    """What the coders must know of a part.

    Attributes:
        channels: channels in the order of their name bytes.
        compression: compression of the chunks.
        width: width in pixels; of a tiled part, that of the tiles.
        height: height of the part in lines; of a tiled part, that of the tiles.
        is_tiled: whether chunks are tiles.
    """

    channels: Sequence[Channel]
    compression: Compression
    width: int
    height: int
    is_tiled: bool


class Core:
    """The functions of the C library that are needed here."""

    def __init__(self, path: str) -> None:
        """Find the functions in a shared library, or raise OSError or AttributeError."""
        library = ctypes.CDLL(path)
        self._functions: dict[str, Any] = {}
        for name, arguments in ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int32
            self._functions[name] = function

    def run(self, name: str, *arguments: Any) -> None:
        """Call a function, and raise `NotDone` if it returns an error."""
        if self._functions[name](*arguments):
            raise NotDone(name)

    def function(self, name: str) -> Any:
        """Return a function that is called often. It returns an error number, or 0."""
        return self._functions[name]

    def release(self) -> tuple[int, ...]:
        """Return the release of the library."""
        numbers = [ctypes.c_int() for _ in range(3)]
        self._functions["exr_get_library_version"](*map(ctypes.byref, numbers), None)
        return tuple(number.value for number in numbers)


class _Coder(ABC):
    """Works on chunks of one image, inside a `with` statement. It belongs to one thread.

    After an error it is of no further use.
    """

    # Names of the functions that begin, change, end and run a pipeline.
    _initialize: str
    _update: str
    _destroy: str
    _process: str

    def __init__(self, core: Core, image: Image) -> None:
        self._core, self._image = core, image
        self._context = ctypes.c_void_p()
        self._errors: list[object] = []
        self._report = Report(self._errors.append)
        self._info = ChunkInfo()
        self._pipeline = self._new_pipeline()
        self._pipeline_address = ctypes.addressof(self._pipeline)
        self._call = core.function(self._process)
        self._chunk = self._pipeline.chunk
        self._is_first = True
        self._described_size = 0

    @abstractmethod
    def _new_pipeline(self) -> Any:
        """Return an empty pipeline."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._finish)
            self._start()
            stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._finish()

    @property
    def is_guard_intact(self) -> bool:
        """Whether the library has changed nothing behind the pipeline."""
        return bytes(self._pipeline.guard) == GUARD

    def _prepare(self, line: int, size: int) -> None:
        """Tell the library which chunk follows.

        Without subsampling, chunks of equal size differ only in their first line.
        """
        if self._described_size == size:
            self._chunk.start_y = 0 if self._image.is_tiled else line
        else:
            self._describe(line, size)

    def _describe(self, line: int, size: int) -> None:
        """Describe a chunk to the library, and check that it expects the same raw size."""
        info, image, context = self._info, self._image, self._context
        first_line = 0 if image.is_tiled else line
        at = ctypes.addressof(info)
        self._described_size = 0
        self._core.run("exr_chunk_default_initialize", context, 0, Box(0, line, 0, line), 0, 0, at)
        if (info.unpacked_size, info.width, info.start_y) != (size, image.width, first_line):
            raise NotDone("unexpected size")
        step = self._initialize if self._is_first else self._update
        self._is_first = False
        self._core.run(step, context, 0, at, self._pipeline_address)
        if (self._pipeline.context, self._chunk.unpacked_size) != (context.value, size):
            raise NotDone("unexpected layout")
        if all(channel.x_sampling == channel.y_sampling == 1 for channel in image.channels):
            self._described_size = size

    def _start(self) -> None:
        """Make a context with one part, which knows what the header of the image says."""
        run, image, context = self._core.run, self._image, self._context
        # Unlike a header, this context is not validated; without channels, there is a null pointer.
        if not image.channels or not 0 < image.width <= INT32_MAX or not 0 < image.height <= INT32_MAX:
            raise NotDone("impossible image")
        settings = Initializer(ctypes.sizeof(Initializer), self._report)
        run("exr_start_temporary_context", ctypes.byref(context), b"chunks", ctypes.byref(settings))
        if not context:
            raise NotDone("no context")
        run("exr_set_longname_support", context, 1)
        run("exr_initialize_required_attr_simple", context, 0, image.width, image.height, image.compression)
        for channel in image.channels:
            name = channel.name.encode("utf-8", "surrogateescape")
            sampling = channel.x_sampling, channel.y_sampling
            run("exr_add_channel", context, 0, name, channel.pixel_type, channel.is_perceptually_linear, *sampling)
        if image.is_tiled:
            run("exr_set_tile_descriptor", context, 0, image.width, image.height, 0, 0)
        if self._errors:
            raise NotDone("unexpected error")

    def _finish(self) -> None:
        """Free what the library has allocated. It does not own the buffers of the caller."""
        if self._context:
            with contextlib.suppress(NotDone):
                self._core.run(self._destroy, self._context, self._pipeline_address)
            with contextlib.suppress(NotDone):
                self._core.run("exr_finish", ctypes.byref(self._context))


class Decompressor(_Coder):
    """Decompresses chunks."""

    _initialize, _update, _destroy = "exr_decoding_initialize", "exr_decoding_update", "exr_decoding_destroy"
    _process = "exr_uncompress_chunk"

    def _new_pipeline(self) -> DecodePipeline:
        return DecodePipeline(DecodePipeline.guard.offset, guard=Guard.from_buffer_copy(GUARD))

    def decompress(self, line: int, packed: Packed, raw: Raw) -> None:
        """Decompress one chunk.

        Args:
            line: first line of the chunk, counted from the first line of the part; 0 for a tile.
            packed: its compressed bytes, or its raw bytes if it is stored raw.
            raw: buffer of exactly its raw size, which is filled.

        Raises:
            NotDone: `raw` was not filled; its content is undefined.
        """
        self.decompress_at(line, packed, address(raw), len(raw))

    def decompress_at(self, line: int, packed: Packed, place: int, size: int) -> None:
        """Do the same as `decompress`, with the address and the size of the buffer."""
        pipeline = self._pipeline
        if not 0 < len(packed) <= size:  # OpenEXR reads no longer ones from a file, and ignores empty ones
            raise NotDone("impossible size")
        self._prepare(line, size)
        self._chunk.packed_size = len(packed)
        pipeline.packed, pipeline.unpacked = address(packed), place
        if self._call(self._pipeline_address):
            raise NotDone("damaged")
        if pipeline.bytes_decompressed != size or self._errors:
            raise NotDone("short chunk")


class Compressor(_Coder):
    """Compresses chunks. It is not for compressions that have a level, because it sets none."""

    _initialize, _update, _destroy = "exr_encoding_initialize", "exr_encoding_update", "exr_encoding_destroy"
    _process = "exr_compress_chunk"

    def _new_pipeline(self) -> EncodePipeline:
        return EncodePipeline(EncodePipeline.guard.offset, guard=Guard.from_buffer_copy(GUARD))

    def compress(self, line: int, raw: Raw) -> Packed:
        """Compress one chunk.

        Args:
            line: first line of the chunk, counted from the first line of the part; 0 for a tile.
            raw: its raw bytes.

        Returns:
            its compressed bytes, or `raw` itself if these would not be fewer.

        Raises:
            NotDone: the chunk was not compressed.
        """
        packed = self.compress_at(line, address(raw), len(raw))
        return raw.data if packed is None else packed

    def compress_at(self, line: int, place: int, size: int) -> bytes | None:
        """Compress one chunk, given the address and the size of its raw bytes.

        Returns:
            its compressed bytes, or None if these would not be fewer than the raw bytes.

        Raises:
            NotDone: the chunk was not compressed.
        """
        pipeline = self._pipeline
        if not size:
            raise NotDone("empty")
        self._prepare(line, size)
        pipeline.raw, pipeline.raw_size = place, size  # the library frees only what it has allocated
        if self._call(self._pipeline_address):
            raise NotDone("can't be compressed")
        packed_size, compressed = pipeline.compressed_size, pipeline.compressed
        if self._errors or not compressed or not 0 < packed_size <= pipeline.compressed_allocated:
            raise NotDone("unexpected result")
        return ctypes.string_at(compressed, packed_size) if packed_size < size else None


def address(data: Any) -> int:
    """Return the address of the first byte of a buffer, which the caller keeps alive."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(data))
    except TypeError:  # a buffer that is read-only
        return int(np.frombuffer(data, np.uint8).ctypes.data)
