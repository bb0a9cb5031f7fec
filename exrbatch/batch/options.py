"""What the user asked for, checked once."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsInt, TypeVar

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.priority import LOWEST
from exrbatch.batch.run_limits.limits import ANY_FAILURE, NO_LIMITS, FailOn, Limits
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.recompression.choices import READERS, Hardlinks, Permissions, Prefer, Verify
from exrbatch.suggestions import unknown_name

_Name = TypeVar("_Name", Effort, Verify, Prefer, Hardlinks)
CompressionLike = str | SupportsInt
"""A compression by name or number.

It can be a name ("zip", "ZIP_COMPRESSION"), a `Compression`, an `OpenEXR.Compression` or an
`Imath.Compression`.
"""

MAX_JOBS = 1024
"""A higher number of worker processes must be a typing error: no machine has as many cores."""
_DEFAULTS = RecompressRules()
_AUTO = "auto"
_ALIASES = {
    "deflate": "zip",
    "gzip": "zip",
    "zip16": "zip",
    "zlib": "zip",
    "zip1": "zips",
    "zst": "zstd",
    "zstandard": "zstd",
    "off": "none",
    "raw": "none",
    "uncompressed": "none",
    "dwa": "dwaa",
    "wavelet": "piz",
    "ht": "htj2k32",
    "htj2k": "htj2k32",
    "j2k": "htj2k32",
    "jp2": "htj2k32",
    "jpeg2000": "htj2k32",
    "best": _AUTO,
    "smallest": _AUTO,
    "fastest": f"{_AUTO}:{Prefer.SPEED}",
}
"""Other names of compressions, used by other programs and people.

They are suggested in error messages, but never accepted.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to do with every file, and the options of the run as a whole.

    Attributes:
        rules: what to do with each file, and how.
        output: path of the output tree; None to replace files in place.
        backup_dir: path of a tree of backups. A backup is kept until the new file is in place, or
            permanently.
        other: path of the file or folder to compare with.
        include: gitignore patterns. When walking folders, only files that match are processed.
        exclude: gitignore patterns. When walking folders, files and folders that match are left
            out.
        min_size: size in bytes of the smallest file that is processed.
        max_size: size in bytes of the largest file that is processed; None for no limit.
        base: the folder that corresponds to the top of the output or backup tree; None for the
            deepest folder that all paths have in common.
        allow_empty: accept folders without a single entry among the paths.
        jobs: number of worker processes; None for as many as the machine allows.
        file_timeout: seconds that one file may take; None for a limit that depends on the size of
            the file, 0 for no limit.
        journal: whether a run that writes keeps a journal, and believes what the journals of
            earlier runs say about finished files.
        limits: limits of the run as a whole.
        nice: nice value of the workers, 0 (as this process) to 19 (lowest priority).
        fail_on: how many files must fail for the exit code to be 1.

    Raises:
        OptionsError: options contradict each other, or a value is out of range.
    """

    rules: Rules = RecompressRules()
    output: str | None = None
    backup_dir: str | None = None
    other: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_size: int = 0
    max_size: int | None = None
    base: str | None = None
    allow_empty: bool = True
    jobs: int | None = None
    file_timeout: float | None = None
    journal: bool = True
    limits: Limits = NO_LIMITS
    fail_on: FailOn = ANY_FAILURE
    nice: int = 0

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise OptionsError(f"{self.jobs} jobs: must be 1 or more")
        if self.jobs is not None and self.jobs > MAX_JOBS:
            raise OptionsError(f"{self.jobs} jobs: at most {MAX_JOBS} are possible, because each is a process")
        if self.file_timeout is not None and not self.file_timeout >= 0:
            raise OptionsError(f"a file timeout of {self.file_timeout} s: must be 0 (no limit) or more")
        for path, name in ((self.output, "output"), (self.backup_dir, "backup folder")):
            if path == "":
                raise OptionsError(f"the {name} has no name: its path is empty")
        if self.backup_dir is not None and self.output is not None:
            raise OptionsError(
                "backups are only for files that are replaced in place; with an output folder, all originals stay"
            )
        self._check_run()
        if isinstance(self.rules, RecompressRules):
            self._check_recompression(self.rules)

    def _check_run(self) -> None:
        if not 0 <= self.nice <= LOWEST:
            raise OptionsError(f"a nice value of {self.nice}: must be from 0 to {LOWEST}")
        if self.limits.give_way and not self.nice:
            raise OptionsError("to tell other programs from its own workers, the run needs a nice value of 1 or more")
        if self.max_size is not None and self.max_size < self.min_size:
            raise OptionsError("no file can be so large and so small: the maximum size is below the minimum size")
        if self.base is not None and self.output is None and self.backup_dir is None:
            raise OptionsError("a base needs a tree of outputs or backups; name one with --output or --backup-dir")

    def _check_recompression(self, rules: RecompressRules) -> None:
        if self.output is not None and rules.hardlinks is not Hardlinks.SKIP:
            raise OptionsError(
                "hard links are not changed if files are written to an output folder; leave out --hardlinks"
            )
        if not 0 <= rules.min_savings < 1:
            raise OptionsError(f"minimum savings of {100 * rules.min_savings:g} %: must be from 0 to less than 100 %")
        if rules.copy_skipped and self.output is None:
            raise OptionsError("files are copied only to an output folder; name one with --output")
        if rules.keep_backups and self.backup_dir is None:
            raise OptionsError("keeping backups needs a folder for them; name one with --backup-dir")

    @classmethod
    def parse(
        cls,
        *,
        compression: CompressionLike,
        effort: str = _DEFAULTS.effort,
        verify: str = _DEFAULTS.verify,
        hardlinks: str = _DEFAULTS.hardlinks,
        readers: str = _DEFAULTS.readers,
        allow_lossy: bool = False,
        include_lossy_sources: bool = False,
        allow_aces: bool = False,
        force: bool = False,
        dry_run: bool = False,
        verify_cold: bool = False,
        keep_backups: bool = False,
        copy_skipped: bool = False,
        min_savings: float = 0.0,
        min_age: float | None = _DEFAULTS.min_age,
        from_compression: CompressionLike | Iterable[CompressionLike] = (),
        digests: bool = False,
        **run: Any,
    ) -> "Options":
        """Make the options of a recompression from plain values.

        The arguments are named after the attributes of `RecompressRules` and `Permissions`.
        `compression` may also be "auto" or "auto:speed", and `from_compression` is one compression
        or several. `effort`, `verify` and `hardlinks` are the
        names of their values. `run` stands for the other attributes of `Options`, which are used
        unchanged.

        Raises:
            OptionsError: a name is unknown, or the options contradict each other.
        """
        target, prefer = _parse_target(compression)
        if readers not in READERS:
            raise OptionsError(unknown_name("OpenEXR release", readers, READERS))
        rules = RecompressRules(
            compression=target,
            prefer=prefer,
            readers=readers,
            effort=_parse_name(Effort, "effort", effort),
            force=force,
            dry_run=dry_run,
            permissions=Permissions(
                allow_lossy=allow_lossy, include_lossy_sources=include_lossy_sources, allow_aces=allow_aces
            ),
            verify=_parse_name(Verify, "way to verify", verify),
            verify_cold=verify_cold,
            hardlinks=_parse_name(Hardlinks, "way to treat hard links", hardlinks),
            keep_backups=keep_backups,
            copy_skipped=copy_skipped,
            min_savings=min_savings,
            min_age=min_age,
            from_compressions=parse_compressions(from_compression),
            digests=digests,
        )
        return cls(rules=rules, **run)

    @property
    def tree_root(self) -> str | None:
        """Path of the folder in which every source has a counterpart, or None."""
        return next((root for root in (self.output, self.backup_dir, self.other) if root is not None), None)

    @property
    def replaces_files(self) -> bool:
        """Whether files are replaced in place."""
        return self.rules.replaces_files and self.output is None

    def job(self, candidate: Candidate, share: Share | None = None) -> Job:
        """Make the job for one file.

        Args:
            candidate: the file.
            share: the resources that the job may use; None for the defaults.
        """
        root = None if candidate.counterpart == self.tree_root else self.tree_root  # equal if a single file was named
        place = Place(
            source=candidate.path,
            destination=candidate.counterpart if self.output is not None else None,
            backup=candidate.counterpart if self.backup_dir is not None else None,
            other=candidate.counterpart if self.other is not None else None,
            hard_links=candidate.hard_links,
            like=candidate.like,
            root=root,
            known=candidate.known,
            restore=candidate.restore,
        )
        return self.rules.job(place, share or Share())

    def time_limit(self, size: int) -> float:
        """Return the seconds after which work on a file is given up; infinity for no limit.

        Without a limit from the user, this is a quarter of an hour, plus what the rules allow for
        each megabyte. The time in which a worker waits because of a limit of bandwidth is added.

        Args:
            size: size of the file in bytes.
        """
        bandwidth = self.limits.bandwidth
        rate = None if bandwidth is None else bandwidth.lowest
        waiting = 0.0 if rate is None else 2 * size * (self.jobs or 1) / rate
        if self.file_timeout is not None:
            return self.file_timeout + waiting if self.file_timeout else math.inf
        return 900 + waiting + size / 1e6 * self.rules.seconds_per_megabyte


def parse_decoder(value: str) -> Verify:
    """Return the decoder of a comparison or a check.

    Raises:
        OptionsError: it is unknown.
    """
    known = [Verify.LIBRARY, Verify.NATIVE]
    if value not in known:
        raise OptionsError(unknown_name("decoder", value, known))
    return Verify(value)


def parse_compression(value: CompressionLike) -> Compression:
    """Convert a compression of any supported type to a `Compression`.

    Raises:
        OptionsError: it is unknown; the message suggests the closest name.
    """
    found = _find_compression(value)
    if found is None:
        raise OptionsError(unknown_name("compression", value, _names(), _ALIASES))
    return found


def parse_compressions(values: CompressionLike | Iterable[CompressionLike]) -> tuple[Compression, ...]:
    """Convert one compression, a text such as "none,rle", or several of them.

    Raises:
        OptionsError: one is unknown.
    """
    each = values.split(",") if isinstance(values, str) else values if isinstance(values, Iterable) else [values]
    return tuple(parse_compression(value.strip() if isinstance(value, str) else value) for value in each)


def _find_compression(value: CompressionLike) -> Compression | None:
    number = getattr(value, "v", value)  # an Imath.Compression has its number in .v
    try:
        if isinstance(number, str):
            name = number.upper().removesuffix("_COMPRESSION")
            return Compression.NONE if name == "NO" else Compression[name]
        return Compression(int(number))
    except (KeyError, ValueError, TypeError):
        return None


def _parse_target(value: CompressionLike) -> tuple[Compression | None, Prefer]:
    """Parse a compression, "auto" or "auto:speed".

    Returns:
        the compression, or None for an automatic choice, and what that choice optimises.
    """
    if isinstance(value, str) and (word := value.lower()).partition(":")[0] == _AUTO:
        return None, _parse_name(Prefer, "preference", word.partition(":")[2] or Prefer.SIZE)
    if (found := _find_compression(value)) is None:
        raise OptionsError(unknown_name("compression", value, [*_names(), _AUTO, f"{_AUTO}:{Prefer.SPEED}"], _ALIASES))
    return found, Prefer.SIZE


def _parse_name(kind: type[_Name], what: str, value: str) -> _Name:
    try:
        return kind(value)
    except ValueError:
        raise OptionsError(unknown_name(what, value, kind)) from None


def _names() -> list[str]:
    return [compression.name.lower() for compression in Compression]
