"""Which deflate engines there are and which are installed. Light to import, unlike the engines."""

import enum
import importlib.util

from exrbatch.exr.compression import Compression


class Engine(enum.StrEnum):
    """A deflate library, named like the package that it comes in. ZLIB is part of Python."""

    ISAL = "isal"
    ZLIB_NG = "zlib-ng"
    LIBDEFLATE = "deflate"
    ZLIB = "zlib"


MODULES = {
    Engine.ISAL: "isal.isal_zlib",
    Engine.ZLIB_NG: "zlib_ng.zlib_ng",
    Engine.LIBDEFLATE: "deflate",
    Engine.ZLIB: "zlib",
}
"""Name of the module of each engine."""


DEFLATED = frozenset((Compression.ZIP, Compression.ZIPS))
"""The compressions that use an engine."""


def missing_engines() -> list[Engine]:
    """List the engines that are not installed.

    A package that is installed but can't be imported is not listed, because only workers import it.
    """
    return [engine for engine, name in MODULES.items() if importlib.util.find_spec(name.partition(".")[0]) is None]
