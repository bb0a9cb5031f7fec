"""Decompress chunks through OpenEXRCore, the C library inside the OpenEXR wheel.

`OpenEXR.File` returns numpy arrays of a whole tiny file. To get the raw bytes of a chunk, it reads
the file through Python, splits the channels into new arrays, and we join them again. The C
interface returns the raw bytes themselves. `OpenEXR.File` calls the same decompressors, so the two
accept the same chunks and return the same bytes.

This path is optional. Nothing here decides about a chunk: whatever does not go as expected raises
`NotDecompressed`, and the caller asks `OpenEXR.File` instead. The path does not exist
(`find_core` returns None) unless the wheel exports the functions, its release is one that was
tested, and a self-test passes.

No Python function is called back from C: a signal handler could raise KeyboardInterrupt in it,
which ctypes would swallow. So there is not even a file in memory to read. As in OpenEXR's own class
`Compressor`, a temporary context gets the facts of the header, and the decompressor gets addresses.
"""

import contextlib
import ctypes
import dataclasses
import functools
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from exrbatch.codecs.codec import Packed, Raw
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.chunks import INT32_MAX
from exrbatch.exr.compression import Compression

TESTED_RELEASES = (3, 5, 3), (3, 5, 4)
"""First release of OpenEXR that is used, and first that is not.

`OpenEXR.File` reads from memory since 3.5.0. Before 3.5.3, JPEG 2000 and ZSTD don't say how many
bytes they decompressed, and what damaged DWA chunks gave depended on the memory before. Widen this
only after `tests/codecs/test_openexr_core.py` has passed with the release.
"""
_GUARD = bytes(range(1, 256)) * 16
"""Lies behind a pipeline. It changes if the structure of the library is longer than ours."""
_Guard = ctypes.c_uint8 * len(_GUARD)


class NotDecompressed(Exception):
    """This path could not decompress a chunk, which need not be damaged."""


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """What the decompressors must know of a part.

    Attributes:
        channels: channels in the order of their name bytes.
        compression: compression of the chunks.
        width: width in pixels; of a tiled part, that of the tiles to decompress.
        height: height of the part in lines; of a tiled part, that of the tiles to decompress.
        is_tiled: whether chunks are tiles.
    """

    channels: Sequence[Channel]
    compression: Compression
    width: int
    height: int
    is_tiled: bool


_Report = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""Type of an error handler. Of its three arguments, only the first is declared.

So the handler can be the `append` method of a list, which runs no Python bytecode. In the calling
conventions of C, it is the caller who removes the arguments.
"""


class _Initializer(ctypes.Structure):
    """`exr_context_initializer_t` up to its third version; later ones only add fields."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("error_handler", _Report),
        ("functions", ctypes.c_void_p * 7),
        ("limits", ctypes.c_int * 4),
        ("zip_level", ctypes.c_int),
        ("dwa_quality", ctypes.c_float),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_uint8 * 4),
    )


class _ChunkInfo(ctypes.Structure):
    """`exr_chunk_info_t`."""

    _fields_ = (
        ("index", ctypes.c_int32),
        ("start_x", ctypes.c_int32),
        ("start_y", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("level_type_and_compression", ctypes.c_uint8 * 4),
        ("data_offset", ctypes.c_uint64),
        ("packed_size", ctypes.c_uint64),
        ("unpacked_size", ctypes.c_uint64),
        ("deep", ctypes.c_uint64 * 2),
    )


class _Pipeline(ctypes.Structure):
    """`exr_decode_pipeline_t` of OpenEXR 3.5, and a guard behind it.

    `size` tells the library which version this is: with an unknown size, it takes the structure for
    that of OpenEXR 3.3, which is the beginning of this one.
    """

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("channels", ctypes.c_void_p),
        ("channel_count", ctypes.c_int16),
        ("flags", ctypes.c_uint16),
        ("part", ctypes.c_int),
        ("context", ctypes.c_void_p),
        ("chunk", _ChunkInfo),
        ("skipped_lines", ctypes.c_int32 * 2),
        ("bytes_decompressed", ctypes.c_uint64),
        ("user_data", ctypes.c_void_p),
        ("packed", ctypes.c_void_p),
        ("packed_allocated", ctypes.c_size_t),
        ("unpacked", ctypes.c_void_p),
        ("unpacked_allocated", ctypes.c_size_t),
        ("buffers", ctypes.c_size_t * 8),
        ("functions", ctypes.c_void_p * 6),
        ("few_channels", ctypes.c_uint64 * 6 * 5),
        ("is_sample_count_valid", ctypes.c_int),
        ("compression_context", ctypes.c_void_p),
        ("free_compression_context", ctypes.c_void_p),
        ("guard", _Guard),
    )


_Box = ctypes.c_int32 * 4
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_ARGUMENTS: dict[str, tuple[type, ...]] = {
    "exr_get_library_version": (_POINTER, _POINTER, _POINTER, _POINTER),
    "exr_start_temporary_context": (_POINTER, ctypes.c_char_p, _POINTER),
    "exr_set_longname_support": (_POINTER, _INT),
    "exr_initialize_required_attr_simple": (_POINTER, _INT, ctypes.c_int32, ctypes.c_int32, _INT),
    "exr_set_tile_descriptor": (_POINTER, _INT, ctypes.c_uint32, ctypes.c_uint32, _INT, _INT),
    "exr_add_channel": (_POINTER, _INT, ctypes.c_char_p, _INT, _INT, ctypes.c_int32, ctypes.c_int32),
    "exr_chunk_default_initialize": (_POINTER, _INT, _POINTER, _INT, _INT, _POINTER),
    "exr_decoding_initialize": (_POINTER, _INT, _POINTER, _POINTER),
    "exr_decoding_update": (_POINTER, _INT, _POINTER, _POINTER),
    "exr_uncompress_chunk": (_POINTER,),
    "exr_decoding_destroy": (_POINTER, _POINTER),
    "exr_finish": (_POINTER,),
}


class Core:
    """The functions of the C library that are needed here."""

    def __init__(self, path: str) -> None:
        """Find the functions in a shared library, or raise OSError or AttributeError."""
        library = ctypes.CDLL(path)
        self._functions: dict[str, Any] = {}
        for name, arguments in _ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int32
            self._functions[name] = function

    def run(self, name: str, *arguments: Any) -> None:
        """Call a function, and raise `NotDecompressed` if it returns an error."""
        if self._functions[name](*arguments):
            raise NotDecompressed(name)

    def release(self) -> tuple[int, ...]:
        """Return the release of the library."""
        numbers = [ctypes.c_int() for _ in range(3)]
        self._functions["exr_get_library_version"](*map(ctypes.byref, numbers), None)
        return tuple(number.value for number in numbers)


class Decompressor:
    """Decompresses chunks of one image, inside a `with` statement. It belongs to one thread.

    After an error it is of no further use.
    """

    def __init__(self, core: Core, image: Image) -> None:
        self._core, self._image = core, image
        self._context = ctypes.c_void_p()
        self._errors: list[object] = []
        self._report = _Report(self._errors.append)
        self._info = _ChunkInfo()
        self._pipeline = _Pipeline(_Pipeline.guard.offset, guard=_Guard.from_buffer_copy(_GUARD))
        self._pipeline_address = ctypes.addressof(self._pipeline)
        self._chunk = self._pipeline.chunk
        self._is_first = True
        self._described_size = 0

    def __enter__(self) -> "Decompressor":
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
        return bytes(self._pipeline.guard) == _GUARD

    def decompress(self, line: int, packed: Packed, raw: Raw) -> None:
        """Decompress one chunk.

        Args:
            line: first line of the chunk, counted from the first line of the part; 0 for a tile.
            packed: its compressed bytes, or its raw bytes if it is stored raw.
            raw: buffer of exactly its raw size, which is filled.

        Raises:
            NotDecompressed: `raw` was not filled; its content is undefined.
        """
        size, pipeline, chunk = len(raw), self._pipeline, self._chunk
        if not 0 < len(packed) <= size:  # OpenEXR reads no longer ones from a file, and ignores empty ones
            raise NotDecompressed("impossible size")
        if self._described_size == size:
            chunk.start_y = 0 if self._image.is_tiled else line
        else:
            self._describe(line, size)
        chunk.packed_size = len(packed)
        pipeline.packed, pipeline.unpacked = _address(packed), _address(raw)
        self._core.run("exr_uncompress_chunk", self._pipeline_address)
        if pipeline.bytes_decompressed != size or self._errors:
            raise NotDecompressed("short chunk")

    def _describe(self, line: int, size: int) -> None:
        """Tell the library which chunk follows, and check that it expects the same raw size.

        Without subsampling, chunks of equal size differ only in their first line, so for those
        that follow this is not repeated.
        """
        info, image, context = self._info, self._image, self._context
        at = ctypes.addressof(info)
        self._described_size = 0
        self._core.run("exr_chunk_default_initialize", context, 0, _Box(0, line, 0, line), 0, 0, at)
        first_line = 0 if image.is_tiled else line
        if (info.unpacked_size, info.width, info.start_y) != (size, image.width, first_line):
            raise NotDecompressed("unexpected size")
        step = "exr_decoding_initialize" if self._is_first else "exr_decoding_update"
        self._is_first = False
        self._core.run(step, context, 0, at, self._pipeline_address)
        if (self._pipeline.context, self._chunk.unpacked_size) != (context.value, size):
            raise NotDecompressed("unexpected layout")
        if all(channel.x_sampling == channel.y_sampling == 1 for channel in image.channels):
            self._described_size = size

    def _start(self) -> None:
        """Make a context with one part, which knows what the header of the image says."""
        run, image, context = self._core.run, self._image, self._context
        # Unlike a header, this context is not validated; without channels, there is a null pointer.
        if not image.channels or not 0 < image.width <= INT32_MAX or not 0 < image.height <= INT32_MAX:
            raise NotDecompressed("impossible image")
        settings = _Initializer(ctypes.sizeof(_Initializer), self._report)
        run("exr_start_temporary_context", ctypes.byref(context), b"chunks", ctypes.byref(settings))
        if not context:
            raise NotDecompressed("no context")
        run("exr_set_longname_support", context, 1)
        run("exr_initialize_required_attr_simple", context, 0, image.width, image.height, image.compression)
        for channel in image.channels:
            name = channel.name.encode("utf-8", "surrogateescape")
            sampling = channel.x_sampling, channel.y_sampling
            run("exr_add_channel", context, 0, name, channel.pixel_type, channel.is_perceptually_linear, *sampling)
        if image.is_tiled:
            run("exr_set_tile_descriptor", context, 0, image.width, image.height, 0, 0)
        if self._errors:
            raise NotDecompressed("unexpected error")

    def _finish(self) -> None:
        """Free what the library has allocated. It owns neither `packed` nor `raw`."""
        if self._context:
            with contextlib.suppress(NotDecompressed):
                self._core.run("exr_decoding_destroy", self._context, self._pipeline_address)
            with contextlib.suppress(NotDecompressed):
                self._core.run("exr_finish", ctypes.byref(self._context))


@functools.cache
def find_core(path: str, release: str) -> Core | None:
    """Return the C library, or None if it must not be used.

    Args:
        path: path of the extension module of OpenEXR.
        release: its release, which that of the C library must equal.
    """
    try:
        core = Core(path)
    except (AttributeError, OSError):
        return None
    first, end = TESTED_RELEASES
    is_tested = first <= core.release() < end and ".".join(map(str, core.release())) == release
    return core if is_tested and passes_self_test(core) else None


def passes_self_test(core: Core) -> bool:
    """Return whether a few chunks are decompressed correctly, and damaged ones are refused.

    The image has three channels and two chunks, of which the second is shorter and stored raw.
    """
    channels = tuple(Channel(name, kind, 1, 1) for name, kind in zip("ABC", PixelType, strict=True))
    image = Image(channels, Compression.ZIP, width=5, height=20, is_tiled=False)
    raw = (np.arange(20 * 5 * 10, dtype=np.uint32) ** 2 >> 7).astype(np.uint8)
    lines, rest = raw[:800], raw[800:]
    packed = _deflated(lines)
    return (
        _gives(core, image, 0, packed, lines)
        and _gives(core, image, 16, rest.tobytes(), rest)
        and _gives(core, dataclasses.replace(image, is_tiled=True), 0, _deflated(raw), raw)
        and not _gives(core, image, 0, packed[:-8], lines)
        and not _gives(core, image, 0, _deflated(lines[:-2]), lines)
    )


def _deflated(raw: Raw) -> bytes:
    """Compress raw bytes as ZIP does: the even bytes, then the odd ones, as differences."""
    content = np.concatenate([raw[::2], raw[1::2]])
    content[1:] -= content[:-1] - np.uint8(128)
    return zlib.compress(content.tobytes())


def _gives(core: Core, image: Image, line: int, packed: bytes, expected: Raw) -> bool:
    """Return whether a chunk is decompressed to the expected bytes, and nothing else is changed."""
    raw = np.zeros_like(expected)
    try:
        with Decompressor(core, image) as decompressor:
            decompressor.decompress(line, packed, raw)
    except NotDecompressed:
        return False
    return raw.tobytes() == expected.tobytes() and decompressor.is_guard_intact


def _address(data: Any) -> int:
    """Return the address of the first byte of a buffer, which the caller keeps alive."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(data))
    except TypeError:  # a buffer that is read-only
        return int(np.frombuffer(data, np.uint8).ctypes.data)
