"""What the user asked for, checked once."""

from dataclasses import dataclass, fields
from typing import Any, SupportsInt, TypeVar

from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.file.plan import READERS, FilePlan, Prefer, Rules, Verify

_Name = TypeVar("_Name", Effort, Verify, Prefer)
CompressionLike = str | SupportsInt
"""A name ("zip", "ZIP_COMPRESSION"), a `Compression`, an `OpenEXR.Compression` or an `Imath.Compression`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Rules):
    """The rules for every file, and what concerns the run as a whole.

    `output`: folder of the mirrored tree, or None for replacements in place. `include`, `exclude`: patterns in the
    style of gitignore for the files of folders that are walked. `jobs`: worker processes; None takes what the
    machine allows.
    """

    output: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise OptionsError(f"{self.jobs} jobs: at least 1 is needed")
        if self.readers not in READERS:
            raise OptionsError(f"unknown readers {self.readers!r}; there are {', '.join(READERS)}")

    @classmethod
    def parse(cls, *, compression: CompressionLike, effort: str, verify: str, **others: Any) -> "Options":
        """Make options of what a user says; `others` are taken as they are. Raises `OptionsError`."""
        target, prefer = _parse_target(compression)
        return cls(
            compression=target,
            prefer=prefer,
            effort=_parse_name(Effort, "effort", effort),
            verify=_parse_name(Verify, "way to verify", verify),
            **others,
        )

    def plan(self, source: str, destination: str | None) -> FilePlan:
        """Make the plan of one file."""
        return FilePlan(source=source, destination=destination, **{name: getattr(self, name) for name in _RULES})


_RULES = tuple(field.name for field in fields(Rules))


def parse_compression(value: CompressionLike) -> Compression:
    """Turn any spelling of a compression into ours. Raises `OptionsError` naming those there are."""
    number = getattr(value, "v", value)  # an Imath.Compression keeps its number in .v
    try:
        if isinstance(number, str):
            name = number.upper().removesuffix("_COMPRESSION")
            found = Compression.NONE if name == "NO" else Compression[name]
        else:
            found = Compression(int(number))
    except (KeyError, ValueError, TypeError):
        raise OptionsError(f"unknown compression {value!r}; there are {_names()}") from None
    return found


def _parse_target(value: CompressionLike) -> tuple[Compression | None, Prefer]:
    """Like `parse_compression`, and also "auto" and "auto:speed": then None, and what to look for."""
    if isinstance(value, str) and value.partition(":")[0] == "auto":
        return None, _parse_name(Prefer, "preference", value.partition(":")[2] or Prefer.SIZE)
    return parse_compression(value), Prefer.SIZE


def _parse_name(kind: type[_Name], what: str, value: str) -> _Name:
    try:
        return kind(value)
    except ValueError:
        raise OptionsError(f"unknown {what} {value!r}; there are {', '.join(kind)}") from None


def _names() -> str:
    return ", ".join(compression.name.lower() for compression in Compression)
