"""Recompress OpenEXR files losslessly, in place, by the ten thousand.

>>> import exrbatch
>>> report = exrbatch.recompress("beauty.1001.exr")  # doctest: +SKIP
>>> report.status, report.saved  # doctest: +SKIP
(<Status.RECOMPRESSED: 'recompressed'>, 25165824)

Importing this package loads neither OpenEXR nor a user interface.
"""

from exrbatch.api import recompress, recompress_many
from exrbatch.codecs.codec import Effort
from exrbatch.errors import (
    CorruptChunk,
    ExrbatchError,
    InvalidFile,
    OptionsError,
    ReplaceFailed,
    SourceChanged,
    UnsupportedFile,
    VerificationFailed,
)
from exrbatch.exr.compression import Compression
from exrbatch.file.report import FileReport, Status
from exrbatch.version import __version__

__all__ = [
    "Compression",
    "CorruptChunk",
    "Effort",
    "ExrbatchError",
    "FileReport",
    "InvalidFile",
    "OptionsError",
    "ReplaceFailed",
    "SourceChanged",
    "Status",
    "UnsupportedFile",
    "VerificationFailed",
    "__version__",
    "recompress",
    "recompress_many",
]
