"""Recompress OpenEXR files losslessly and in place, tens of thousands at a time.

>>> import exrbatch
>>> report = exrbatch.recompress("beauty.1001.exr")  # doctest: +SKIP
>>> report.status, report.saved  # doctest: +SKIP
(<Status.RECOMPRESSED: 'recompressed'>, 25165824)

Importing this package loads no other module. Each public name is imported when it is first used, so
that the command line answers at once (and handles Ctrl-C from its first moment on), and a worker
loads only what it needs.
"""

TYPE_CHECKING = False  # type checkers take it for True; importing typing takes longer than the rest of this module
if TYPE_CHECKING:
    from exrbatch.api import check, check_many, recompress, recompress_many, verify, verify_many
    from exrbatch.batch.batch_run import BatchRun, RunProgress
    from exrbatch.batch.run_report import BatchReport
    from exrbatch.codecs.effort import Effort
    from exrbatch.digests import digest, digest_many
    from exrbatch.errors import (
        CorruptChunk,
        ExrbatchError,
        InvalidFile,
        OptionsError,
        ReplaceFailed,
        RunStopped,
        SourceChanged,
        UnsupportedFile,
        VerificationFailed,
    )
    from exrbatch.exr.compression import Compression
    from exrbatch.exr.damage import Damage
    from exrbatch.inventory.library import scan
    from exrbatch.inventory.listing import FrameSequence, Inventory
    from exrbatch.jobs.file_report import FileReport, Status
    from exrbatch.version import __version__

__all__ = [
    "BatchReport",
    "BatchRun",
    "Compression",
    "CorruptChunk",
    "Damage",
    "Effort",
    "ExrbatchError",
    "FileReport",
    "FrameSequence",
    "InvalidFile",
    "Inventory",
    "OptionsError",
    "ReplaceFailed",
    "RunProgress",
    "RunStopped",
    "SourceChanged",
    "Status",
    "UnsupportedFile",
    "VerificationFailed",
    "__version__",
    "check",
    "check_many",
    "digest",
    "digest_many",
    "recompress",
    "recompress_many",
    "scan",
    "verify",
    "verify_many",
]

_HOMES = {
    "BatchReport": "exrbatch.batch.run_report",
    "BatchRun": "exrbatch.batch.batch_run",
    "Compression": "exrbatch.exr.compression",
    "Damage": "exrbatch.exr.damage",
    "Effort": "exrbatch.codecs.effort",
    "FileReport": "exrbatch.jobs.file_report",
    "FrameSequence": "exrbatch.inventory.listing",
    "Inventory": "exrbatch.inventory.listing",
    "Status": "exrbatch.jobs.file_report",
    "RunProgress": "exrbatch.batch.batch_run",
    "__version__": "exrbatch.version",
    **dict.fromkeys(("digest", "digest_many"), "exrbatch.digests"),
    "scan": "exrbatch.inventory.library",
    **dict.fromkeys(("check", "check_many", "recompress", "recompress_many", "verify", "verify_many"), "exrbatch.api"),
}


if not TYPE_CHECKING:  # for a type checker, every name would exist otherwise

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'exrbatch' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(_HOMES.get(name, "exrbatch.errors")), name)


def __dir__() -> list[str]:
    return __all__
