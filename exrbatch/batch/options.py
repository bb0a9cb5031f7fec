"""What the user asked for, checked once."""

import math
from dataclasses import dataclass, fields
from typing import Any, SupportsInt, TypeVar

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.jobs.plan import FilePlan, Hardlinks, Rules, Task
from exrbatch.recompression.choices import READERS, Prefer, Verify

_Name = TypeVar("_Name", Effort, Verify, Prefer, Hardlinks)
CompressionLike = str | SupportsInt
"""A name ("zip", "ZIP_COMPRESSION"), a `Compression`, an `OpenEXR.Compression` or an `Imath.Compression`."""


MAX_JOBS = 1024
"""More worker processes than any machine has cores are a typing error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Rules):
    """The rules for every file, and what concerns the run as a whole.

    `output`: folder of the mirrored tree, or None for replacements in place. `backup_dir`: folder of the mirrored
    tree of originals, kept until each new file is in place, or for good. `include`, `exclude`: patterns in the
    style of gitignore for the files of folders that are walked. `jobs`: worker processes; None takes what the
    machine allows. `file_timeout`: seconds for one file; None goes by its size, 0 is for ever.
    """

    output: str | None = None
    backup_dir: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    jobs: int | None = None
    file_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise OptionsError(f"{self.jobs} jobs: at least 1 is needed")
        if self.jobs is not None and self.jobs > MAX_JOBS:
            raise OptionsError(f"{self.jobs} jobs: at most {MAX_JOBS}, each is a process")
        if self.readers not in READERS:
            raise OptionsError(f"unknown readers {self.readers!r}; there are {', '.join(READERS)}")
        if self.file_timeout is not None and not self.file_timeout >= 0:
            raise OptionsError(f"a file timeout of {self.file_timeout} seconds makes no sense")
        if self.backup_dir is not None and self.output is not None:
            raise OptionsError(
                "backups are for files that are replaced in place; with an output folder all originals stay"
            )
        if self.output is not None and self.hardlinks is not Hardlinks.SKIP and self.task is not Task.COMPARE:
            raise OptionsError(
                "hard links stay what they are where files go to an output folder; leave out --hardlinks"
            )
        if self.keep_backups and self.backup_dir is None:
            raise OptionsError("to keep backups needs a folder for them: --backup-dir")

    @classmethod
    def parse(
        cls,
        *,
        compression: CompressionLike,
        effort: str = Effort.BALANCED,
        verify: str = Verify.LIBRARY,
        hardlinks: str = Hardlinks.SKIP,
        **others: Any,
    ) -> "Options":
        """Make options of what a user says; `others` are taken as they are. Raises `OptionsError`."""
        target, prefer = _parse_target(compression)
        return cls(
            compression=target,
            prefer=prefer,
            effort=_parse_name(Effort, "effort", effort),
            verify=_parse_name(Verify, "way to verify", verify),
            hardlinks=_parse_name(Hardlinks, "way with hard links", hardlinks),
            **others,
        )

    @property
    def mirror_root(self) -> str | None:
        """The folder in which every source has a place, if there is one."""
        return self.output if self.output is not None else self.backup_dir

    def plan(self, candidate: Candidate, threads: int = 1, *, reserved: int = 0, memory: int = 0) -> FilePlan:
        """Make the plan of one file.

        Args:
            candidate: the file.
            threads: how many may work on it.
            reserved: bytes of disk that other files in progress may need.
            memory: bytes of memory that it may take; 0 for what every file may take.
        """
        rules: dict[str, Any] = {name: getattr(self, name) for name in _RULES}
        rules["destination" if self.backup_dir is None else "backup"] = candidate.mirror
        root = None if candidate.mirror == self.mirror_root else self.mirror_root  # the same: a single file's own path
        return FilePlan(
            source=candidate.path,
            twins=candidate.twins,
            reserved=reserved,
            memory=memory,
            threads=threads,
            like=candidate.like,
            root=root,
            **rules,
        )

    def time_limit(self, size: int) -> float:
        """Return the seconds after which a file of that size is given up; infinite for none.

        By default a quarter of an hour, and ten seconds for each megabyte: a tenth of the speed of the slowest
        packer measured.
        """
        if self.file_timeout is not None:
            return self.file_timeout or math.inf
        return 900 + size / 1e6 * (40 if self.effort is Effort.MAX else 10)


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
