"""`exrbatch doctor`: report what exrbatch will do on this machine and in these folders."""

import argparse
import os
import platform
import sys
from importlib import metadata
from typing import Any

from rich.text import Text

from exrbatch.batch.discovery.discover import check_paths
from exrbatch.batch.resources import automatic_jobs, available_memory, physical_cores, total_memory
from exrbatch.batch.workers.slot import most_slots
from exrbatch.bench.machine_facts import PACKAGES
from exrbatch.cli.console import lasting_console
from exrbatch.cli.outputs import print_document
from exrbatch.errors import OptionsError
from exrbatch.paths import absolute
from exrbatch.replacing.examine import Storage, backups, examine, in_place, outputs, promise
from exrbatch.text import format_size, safe_text
from exrbatch.version import __version__

FORMAT = "exrbatch-doctor-1"
EXIT_DONE, EXIT_CANT = 0, 1


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch doctor`; return 0 if every path can be processed as asked, else 1."""
    asked = [(path, "outputs" if arguments.output else "in_place") for path in arguments.paths]
    if arguments.output:
        asked = [(arguments.output, "outputs")]
    elif arguments.backup_dir:
        asked.append((arguments.backup_dir, "outputs"))
    paths = list(dict.fromkeys([*arguments.paths, *(path for path, _ in asked)]))
    made = {arguments.output, arguments.backup_dir}
    findings = [_finding(path, is_made=path in made) for path in paths]
    is_fine = all(finding[way]["works"] for path, way in asked for finding in findings if finding["path"] == path)
    exit_code = EXIT_DONE if is_fine else EXIT_CANT
    document = {"format": FORMAT, "versions": _versions(), "machine": _machine(), "paths": findings}
    if arguments.json:
        return exit_code if print_document(document | {"exit_code": exit_code}) else EXIT_CANT
    console = lasting_console(sys.stdout)
    for line in _lines(document):
        console.print(line)
    return exit_code


def _versions() -> dict[str, str]:
    versions = {"exrbatch": __version__, "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "missing"
    return versions


def _machine() -> dict[str, int | str]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cores": physical_cores(),
        "memory": total_memory(),
        "memory_available": available_memory(),
        "jobs": min(automatic_jobs(), most_slots()),
        "most_jobs": most_slots(),
    }


def _existing(path: str, *, is_made: bool) -> str:
    """Return an existing path that can be examined instead of `path`.

    For a frame sequence, it is the folder of the sequence.

    Args:
        path: the path that the user named.
        is_made: whether a run would create this folder. If it does not exist yet, the nearest
            existing folder above it is examined.
    """
    if os.path.lexists(path):
        return path
    if not is_made:
        check_paths([path])  # raises unless it is a frame sequence
    path = os.path.dirname(absolute(path))
    while is_made and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _finding(path: str, *, is_made: bool) -> dict[str, Any]:
    try:
        storage = examine(_existing(path, is_made=is_made))
    except FileNotFoundError:
        raise OptionsError(f"no such file or folder: {path}") from None
    except OSError as error:
        raise OptionsError(f"can't examine {path}: {error.strerror}") from None
    ways = {"in_place": in_place(storage), "outputs": outputs(storage), "backups": backups(storage)}
    found = {
        "path": path,
        "file_system": storage.mount.kind or "unknown",
        "source": storage.mount.source,
        "size": storage.total or None,
        "free": storage.free if storage.total else None,
        "quota": None,  # no system call returns it for every kind of storage
        **{name: {"works": works, "how": how} for name, (works, how) in ways.items()},
        "promise": promise(storage),
    }
    return found if storage.problem is not None else found | {"probes": _probes(storage)}


def _probes(storage: Storage) -> dict[str, Any]:
    return {
        "exchange": storage.system.can_exchange,
        "rename_without_overwriting": storage.system.can_rename_new,
        "rename_over_open_file": not storage.system.loses_targets,
        "hard_links": storage.links.value,
        "leases": storage.sees_writers,
        "time_step_ns": storage.time_step,
        "extended_attributes": storage.has_xattrs,
        "access_control_lists": storage.has_acls,
        "owner_kept": storage.keeps_owner,
        "clock_offset_seconds": round(storage.system.clock_offset, 3),
        "round_trip_ms": round(1000 * storage.round_trip, 3),
        "sync_ms": round(1000 * storage.sync_time, 3),
        "suggested_jobs": storage.suggested_jobs(automatic_jobs()),
    }


def _lines(document: dict[str, Any]) -> list[Text]:
    machine = document["machine"]
    lines = [
        _line("versions", ", ".join(f"{name} {version}" for name, version in document["versions"].items())),
        _line("machine", f"{machine['system']}, {machine['cores']} cores, {format_size(machine['memory'])} of memory"),
        _line("workers", f"{machine['jobs']} by default, at most {machine['most_jobs']} with -j"),
    ]
    for finding in document["paths"]:
        lines += [Text(), Text(safe_text(absolute(finding["path"])), style="bold"), *_storage_lines(finding)]
    return lines


def _storage_lines(finding: dict[str, Any]) -> list[Text]:
    size = finding["size"]
    space = "unknown" if size is None else f"{format_size(finding['free'])} free of {format_size(size)}"
    lines = [
        _line("storage", safe_text(f"{finding['file_system']} ({finding['source']})")),
        _line("space", f"{space}; quota: unknown"),
    ]
    for way, title in (("in_place", "in place"), ("outputs", "-o"), ("backups", "backups")):
        works, how = finding[way]["works"], safe_text(finding[way]["how"])
        answer = Text("yes" if works else "no", style="green" if works else "bold red")
        lines.append(_line(title, "").append(answer).append(f", {how}" if how else ""))
    if finding["promise"]:
        lines.append(_line("promise", finding["promise"]))
    if (probes := finding.get("probes")) is not None:
        lines += [_line(title, shown) for title, shown in _shown_probes(probes)]
    return lines


def _shown_probes(probes: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the probe results in words, as pairs of title and value."""
    can = {True: "yes", False: "no"}
    return [
        ("exchange of names", can[probes["exchange"]]),
        ("rename without overwrite", can[probes["rename_without_overwriting"]]),
        ("rename over an open file", can[probes["rename_over_open_file"]]),
        ("hard links", probes["hard_links"]),
        ("open files seen (leases)", can[probes["leases"]]),
        ("times", f"in steps of {probes['time_step_ns']:,} ns, {probes['clock_offset_seconds']:+.1f} s from our clock"),
        ("extended attributes", can[probes["extended_attributes"]]),
        ("access control lists", can[probes["access_control_lists"]]),
        ("owner and group kept", can[probes["owner_kept"]]),
        ("latency", f"{probes['round_trip_ms']} ms per request, {probes['sync_ms']} ms to write and sync a small file"),
        ("suggested -j", str(probes["suggested_jobs"])),
    ]


def _line(title: str, value: str) -> Text:
    return Text(f"  {title:<26}", style="dim").append(value, "not dim")
