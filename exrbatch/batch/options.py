"""What the user asked for, checked once."""

from dataclasses import dataclass
from typing import SupportsInt

from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.file.plan import DEFAULT_READERS, READERS, FilePlan, Prefer, Verify

CompressionLike = str | SupportsInt
"""A name ("zip", "ZIP_COMPRESSION"), a `Compression`, an `OpenEXR.Compression` or an `Imath.Compression`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The same for all files of a run.

    `jobs`: worker processes; None takes what the machine allows. `include`, `exclude`: patterns in the style
    of gitignore for the files of folders that are walked.
    """

    compression: Compression | None = Compression.ZIP
    prefer: Prefer = Prefer.SIZE
    readers: str = DEFAULT_READERS
    effort: Effort = Effort.BALANCED
    output: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False
    allow_lossy: bool = False
    include_lossy_sources: bool = False
    allow_aces: bool = False
    verify: Verify = Verify.NATIVE
    verify_cold: bool = False
    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise OptionsError(f"{self.jobs} jobs: at least 1 is needed")
        if self.readers not in READERS:
            raise OptionsError(f"unknown readers {self.readers!r}; there are {', '.join(READERS)}")

    def plan(self, source: str, destination: str | None) -> FilePlan:
        """Make the plan of one file."""
        return FilePlan(
            source=source,
            destination=destination,
            compression=self.compression,
            prefer=self.prefer,
            readers=self.readers,
            effort=self.effort,
            force=self.force,
            dry_run=self.dry_run,
            allow_lossy=self.allow_lossy,
            include_lossy_sources=self.include_lossy_sources,
            allow_aces=self.allow_aces,
            verify=self.verify,
            verify_cold=self.verify_cold,
        )


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


def parse_target(value: CompressionLike) -> tuple[Compression | None, Prefer]:
    """Like `parse_compression`, and also "auto" and "auto:speed": then None, and what to look for."""
    if isinstance(value, str) and value.partition(":")[0] == "auto":
        try:
            return None, Prefer(value.partition(":")[2] or Prefer.SIZE)
        except ValueError:
            raise OptionsError(f"{value!r}: there are auto, auto:size and auto:speed") from None
    return parse_compression(value), Prefer.SIZE


def parse_verify(value: str) -> Verify:
    """Turn a name into a `Verify`. Raises `OptionsError`."""
    try:
        return Verify(value)
    except ValueError:
        raise OptionsError(f"unknown way to verify {value!r}; there are {', '.join(Verify)}") from None


def parse_effort(value: str) -> Effort:
    """Turn a name into an `Effort`. Raises `OptionsError`."""
    try:
        return Effort(value)
    except ValueError:
        raise OptionsError(f"unknown effort {value!r}; there are {', '.join(Effort)}") from None


def _names() -> str:
    return ", ".join(compression.name.lower() for compression in Compression)
