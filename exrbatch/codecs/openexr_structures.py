"""The structures and functions of OpenEXRCore's C interface that are needed here, for ctypes.

Source: `openexr_context.h`, `openexr_decode.h`, `openexr_encode.h` and others of OpenEXR 3.5.
"""

import ctypes

GUARD = bytes(range(1, 256)) * 16
"""Lies behind a pipeline. It changes if the structure of the library is longer than ours."""
Guard = ctypes.c_uint8 * len(GUARD)


Report = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""Type of an error handler. Of its three arguments, only the first is declared.

So the handler can be the `append` method of a list, which runs no Python bytecode. In the calling
conventions of C, it is the caller who removes the arguments.
"""


class Initializer(ctypes.Structure):
    """`exr_context_initializer_t` up to its third version; later ones only add fields."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("error_handler", Report),
        ("functions", ctypes.c_void_p * 7),
        ("limits", ctypes.c_int * 4),
        ("zip_level", ctypes.c_int),
        ("dwa_quality", ctypes.c_float),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_uint8 * 4),
    )


class ChunkInfo(ctypes.Structure):
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


_BEGINNING = (
    ("size", ctypes.c_size_t),
    ("channels", ctypes.c_void_p),
    ("channel_count", ctypes.c_int16),
    ("flags", ctypes.c_uint16),
    ("part", ctypes.c_int),
    ("context", ctypes.c_void_p),
    ("chunk", ChunkInfo),
)
"""The fields that both pipelines begin with."""


class DecodePipeline(ctypes.Structure):
    """`exr_decode_pipeline_t` of OpenEXR 3.5, and a guard behind it.

    `size` tells the library which version this is: with an unknown size, it takes the structure for
    that of OpenEXR 3.3, which is the beginning of this one.
    """

    _fields_ = (
        *_BEGINNING,
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
        ("guard", Guard),
    )


class EncodePipeline(ctypes.Structure):
    """`exr_encode_pipeline_t` of OpenEXR 3.5, and a guard behind it."""

    _fields_ = (
        *_BEGINNING,
        ("user_data", ctypes.c_void_p),
        ("raw", ctypes.c_void_p),
        ("raw_size", ctypes.c_uint64),
        ("raw_allocated", ctypes.c_size_t),
        ("sample_counts", ctypes.c_size_t * 5),
        ("compressed", ctypes.c_void_p),
        ("compressed_size", ctypes.c_size_t),
        ("compressed_allocated", ctypes.c_size_t),
        ("scratch", ctypes.c_size_t * 4),
        ("functions", ctypes.c_void_p * 6),
        ("few_channels", ctypes.c_uint64 * 6 * 5),
        ("is_sample_count_raw", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("guard", Guard),
    )


Box = ctypes.c_int32 * 4
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
ARGUMENTS: dict[str, tuple[type, ...]] = {
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
    "exr_encoding_initialize": (_POINTER, _INT, _POINTER, _POINTER),
    "exr_encoding_update": (_POINTER, _INT, _POINTER, _POINTER),
    "exr_compress_chunk": (_POINTER,),
    "exr_encoding_destroy": (_POINTER, _POINTER),
    "exr_finish": (_POINTER,),
}
