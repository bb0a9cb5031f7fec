"""A plan: a folder with a list of files for each shard, and the settings that all of them share.

    settings.json       options, versions, folders, and facts about each shard
    lists/1, lists/2    absolute paths of the files of each shard, each with a null byte behind it
    reports/            records of each attempt to run a shard: SHARD.RUN.jsonl

Lists and settings never change once the folder has its name. Attempts only add reports.
"""

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import xxhash

from exrbatch.errors import OptionsError
from exrbatch.farm.places import Place
from exrbatch.journal.folder import new_run_id
from exrbatch.journal.records import list_fields, open_records, path_fields, read_list, read_path
from exrbatch.journal.writer import openexr_version
from exrbatch.paths import absolute
from exrbatch.replacing import disk
from exrbatch.text import path_bytes, safe_text
from exrbatch.version import __version__

FORMAT = "exrbatch-shards-1"
"""Format of the settings. A change that another version could not read gets another number."""
SETTINGS, LISTS, REPORTS = "settings.json", "lists", "reports"
_SEAL = "xxh3_128"


@dataclass(frozen=True, slots=True)
class Shard:
    """Facts about one shard.

    Attributes:
        files: number of its files.
        size: their size in bytes when the plan was made.
        xxh3_128: XXH3-128 of its list, in hexadecimal.
    """

    files: int
    size: int
    xxh3_128: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings of a plan.

    Attributes:
        folder: its absolute path.
        plan_id: distinguishes it from any other plan.
        exrbatch: version of exrbatch that made it.
        openexr: version of OpenEXR there.
        options: value of each option of `exrbatch recompress`, by its name; no paths.
        base: the folder that corresponds to the top of an output or backup tree.
        output: the output folder; None to replace files in place.
        backup_dir: the folder of backups; None if there is none.
        sources: folders of the files.
        results: the output and the backup folder, if there are such.
        shards: facts about each shard; number 1 comes first.
        retries: folder of the plan whose failures this one retries; None if it retries none.
        links: paths in the lists that are symbolic links, which the user named.
    """

    folder: str
    plan_id: str
    exrbatch: str
    openexr: str
    options: Mapping[str, Any]
    base: str
    output: str | None
    backup_dir: str | None
    sources: tuple[Place, ...]
    results: tuple[Place, ...]
    shards: tuple[Shard, ...] = ()
    retries: str | None = None
    links: tuple[str, ...] = ()

    @classmethod
    def new(cls, folder: str, **fields: Any) -> Self:
        """Return a plan that this version of exrbatch makes, with an ID of its own."""
        return cls(
            folder=folder, plan_id=new_run_id(), exrbatch=__version__, openexr=openexr_version(), shards=(), **fields
        )

    @property
    def files(self) -> int:
        """Number of files in all shards."""
        return sum(shard.files for shard in self.shards)

    @property
    def size(self) -> int:
        """Bytes of all files when the plan was made."""
        return sum(shard.size for shard in self.shards)

    @property
    def reports(self) -> str:
        """Path of the folder of reports."""
        return os.path.join(self.folder, REPORTS)

    def check_host(self) -> None:
        """Check that this host runs the same versions, and sees the same folders.

        Raises:
            OptionsError: it does not. No file has been touched.
        """
        here = {"exrbatch": __version__, "OpenEXR": openexr_version()}
        for name, planned in (("exrbatch", self.exrbatch), ("OpenEXR", self.openexr)):
            if here[name] != planned:
                raise OptionsError(
                    f"the plan was made with {name} {planned}, but this host has {here[name]}: install the same version"
                    " on all hosts, or make a new plan"
                )
        troubles = [place.trouble() for place in self.sources]
        troubles += [place.trouble(holds_results=True) for place in self.results]
        if found := [trouble for trouble in troubles if trouble is not None]:
            more = f" (and {len(found) - 1} more folders)" if len(found) > 1 else ""
            raise OptionsError(found[0] + more)

    def paths_of(self, number: int) -> list[str]:
        """Return the paths of the files of a shard.

        Args:
            number: number of the shard, from 1.

        Raises:
            OptionsError: its list can't be read, or is not the one that was planned.
        """
        path, shard = os.path.join(self.folder, LISTS, str(number)), self.shards[number - 1]
        try:
            with open_records(path) as file:
                data = file.read()
        except OSError as error:
            raise OptionsError(f"can't read the list of shard {number}: {error.strerror}: {path}") from None
        entries = [os.fsdecode(entry) for entry in data.split(b"\0")[:-1]]
        if xxhash.xxh3_128_hexdigest(data) != shard.xxh3_128 or len(entries) != shard.files:
            raise OptionsError(f"{path} is not the list that was planned: it is damaged, or was changed")
        return entries

    def refusal(self, path: str) -> str | None:
        """Say why what is now at the path of a list is not what was planned; None if it may be.

        What is behind a link, or in a folder, that has taken the place of a file is not in the
        plan.
        """
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            return None  # whoever opens it reports why that fails
        if stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and os.path.isdir(path)):
            return "it was a file when the plan was made, but is a folder now"
        if stat.S_ISLNK(mode) and path not in self.links:
            return "it was a file when the plan was made, but is a symbolic link now"
        return None

    def write(self, lists: Sequence[tuple[int, Sequence[str]]], more: Mapping[str, str]) -> Self:
        """Write the plan under a temporary name, and give the folder its name last.

        Args:
            lists: size in bytes and paths of each shard.
            more: further files, by name.

        Returns:
            the plan with the facts about its shards.

        Raises:
            OptionsError: it can't be written, or there is something in the folder.
        """
        temporary = os.path.join(os.path.dirname(self.folder), f".exrbatch-plan-{secrets.token_hex(4)}")
        written: list[str] = []
        try:
            os.makedirs(os.path.dirname(self.folder), exist_ok=True)
            for folder in (temporary, os.path.join(temporary, LISTS), os.path.join(temporary, REPORTS)):
                os.mkdir(folder)
                written.append(folder)
            shards = []
            for number, (size, paths) in enumerate(lists, 1):
                data = b"".join(path_bytes(path) + b"\0" for path in paths)
                shards.append(Shard(len(paths), size, xxhash.xxh3_128_hexdigest(data)))
                _write(os.path.join(temporary, LISTS, str(number)), data, written)
            plan = replace(self, shards=tuple(shards))
            for name, text in {**more, SETTINGS: json.dumps(sealed(plan.to_json()), indent=1) + "\n"}.items():
                _write(os.path.join(temporary, name), text.encode(), written)
            disk.DISK.rename(temporary, self.folder)  # fails if the folder has an entry by now
        except BaseException as error:
            for path in reversed(written):  # our own: the name of the folder is random
                with contextlib.suppress(OSError):
                    os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
            if not isinstance(error, OSError):
                raise
            raise OptionsError(f"can't write the plan {self.folder}: {error.strerror}") from None
        return plan

    def to_json(self) -> dict[str, object]:
        """Return the settings as they are in their file."""
        folders = {"base": self.base, "output": self.output, "backup_dir": self.backup_dir, "retries": self.retries}
        record: dict[str, object] = {
            "format": FORMAT,
            "plan": self.plan_id,
            "exrbatch": self.exrbatch,
            "openexr": self.openexr,
            "options": dict(self.options),
        }
        for name, path in folders.items():
            if path is not None:
                record |= path_fields(name, path)
        return record | {
            **list_fields("links", self.links),
            "sources": [place.to_json() for place in self.sources],
            "results": [place.to_json() for place in self.results],
            "files": self.files,
            "bytes": self.size,
            "shards": [{"files": each.files, "bytes": each.size, "xxh3_128": each.xxh3_128} for each in self.shards],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any], folder: str) -> Self:
        """Read the settings of a plan.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: they are damaged.
        """
        base = _path_of(record, "base")
        if base is None or not isinstance(record["options"], dict) or not record["shards"]:
            raise ValueError("no base, no options or no shards")
        return cls(
            folder=folder,
            plan_id=str(record["plan"]),
            exrbatch=str(record["exrbatch"]),
            openexr=str(record["openexr"]),
            options=record["options"],
            base=base,
            output=_path_of(record, "output"),
            backup_dir=_path_of(record, "backup_dir"),
            sources=tuple(Place.from_json(each) for each in record["sources"]),
            results=tuple(Place.from_json(each) for each in record["results"]),
            shards=tuple(
                Shard(int(each["files"]), int(each["bytes"]), str(each["xxh3_128"])) for each in record["shards"]
            ),
            retries=_path_of(record, "retries"),
            links=tuple(read_list(record, "links")),
        )


def _path_of(record: Mapping[str, Any], key: str) -> str | None:
    """Read an absolute path; None if there is none.

    Raises:
        ValueError: there is something else. It must not count as none: without their output, files
            would be replaced in place.
    """
    path = read_path(record, key)
    if path is None and not {key, f"{key}_b64"} & record.keys():
        return None
    if path is None or not os.path.isabs(path):
        raise ValueError(f"{key} is not an absolute path")
    return path


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the XXH3-128 of all others, which reveals that they were changed."""
    settings = {name: value for name, value in record.items() if name != _SEAL}
    return settings | {_SEAL: xxhash.xxh3_128_hexdigest(json.dumps(settings, sort_keys=True).encode())}


def _write(path: str, data: bytes, written: list[str]) -> None:
    """Write a new file, and note that it is ours."""
    with open(path, "xb") as file:
        written.append(path)
        file.write(data)
        file.flush()
        disk.DISK.sync(file.fileno())


def check_new(folder: str) -> None:
    """Check that a plan can get this folder.

    Raises:
        OptionsError: there is something else already.
    """
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder) or os.path.islink(folder):
        raise OptionsError(f"the plan needs a folder of its own, and {folder} is none")
    try:
        is_empty = not os.listdir(folder)
    except OSError as error:
        raise OptionsError(f"can't read the folder for the plan, {folder}: {error.strerror}") from None
    if not is_empty:
        raise OptionsError(f"the folder for the plan is not empty: {folder}; name a new one (-o)")


def read_plan(folder: str) -> Plan:
    """Read a plan.

    Raises:
        OptionsError: it can't be read, or another version of exrbatch has written it.
    """
    path = os.path.join(folder, SETTINGS)
    try:
        with open_records(path) as file:
            record = json.load(file)
    except OSError as error:
        raise OptionsError(f"{folder} is no plan of exrbatch shard plan: {error.strerror}: {SETTINGS}") from None
    except (ValueError, RecursionError):
        raise OptionsError(f"{path} is damaged: it is not JSON") from None
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        by = f", made by exrbatch {record.get('exrbatch')}" if isinstance(record, dict) else ""
        raise OptionsError(f"{path} has the format {safe_text(str(found))}{by}; this version reads {FORMAT}")
    if record != sealed(record):
        raise OptionsError(f"{path} is damaged, or was changed: make a new plan instead (exrbatch shard plan)")
    try:
        return Plan.from_json(record, absolute(folder))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OptionsError(f"{path} is damaged: {type(error).__name__}: {error}") from None
