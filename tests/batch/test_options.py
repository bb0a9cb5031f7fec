"""Options accept names, numbers and the enums of OpenEXR and Imath; limits follow the machine."""

from pathlib import Path
from typing import Any

import Imath
import OpenEXR
import pytest

from exrbatch import Compression, OptionsError, recompress
from exrbatch.batch import resources
from exrbatch.batch.options import Options, parse_compression
from exrbatch.batch.run import Run
from exrbatch.codecs.engine_names import MODULES, Engine
from exrbatch.exr.compression import release_number
from exrbatch.recompression.choices import READERS


@pytest.mark.parametrize(
    "value",
    [
        "zip",
        "ZIP",
        "ZIP_COMPRESSION",
        3,
        Compression.ZIP,
        OpenEXR.ZIP_COMPRESSION,
        Imath.Compression(Imath.Compression.ZIP_COMPRESSION),
    ],
)
def test_accepts_every_spelling_of_a_compression(value: object) -> None:
    """A name, a number, an OpenEXR.Compression or an Imath.Compression (issue 2)."""
    assert parse_compression(value) is Compression.ZIP  # type: ignore[arg-type]


def test_accepts_every_name_of_no_compression() -> None:
    """OpenEXR calls it NO_COMPRESSION."""
    for value in ("none", "no", "NO_COMPRESSION", OpenEXR.NO_COMPRESSION):
        assert parse_compression(value) is Compression.NONE


@pytest.mark.parametrize("value", ["zap", "", 99, -1, None])
def test_refuses_an_unknown_compression_and_lists_the_known_ones(value: object, tmp_path: Path) -> None:
    """The error is raised before the file is opened."""
    with pytest.raises(OptionsError, match="choose from none, rle, zips, zip, piz"):
        recompress(tmp_path / "nothing.exr", value)  # type: ignore[arg-type]


def test_wrong_arguments_raise_value_error(tmp_path: Path) -> None:
    """A script can catch them as ValueError."""
    with pytest.raises(ValueError, match="unknown effort 'heroic'"):
        recompress(tmp_path / "a.exr", effort="heroic")
    with pytest.raises(ValueError, match="no such file"):
        recompress(tmp_path / "a.exr")
    with pytest.raises(ValueError, match="0 jobs"):
        Options(jobs=0)


def test_default_jobs_respect_affinity_farm_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is the least that any of them allows, and at least 1."""
    monkeypatch.setattr(resources, "_affinity", lambda: 64)
    monkeypatch.setattr(resources, "cgroup_cores", lambda: iter([]))
    monkeypatch.setattr(resources, "cgroup_memory", lambda: iter([]))
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 1 << 40}))
    for name in resources.FARM_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert resources.automatic_jobs() == 64
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")
    assert resources.automatic_jobs() == 12
    monkeypatch.setattr(resources, "cgroup_cores", lambda: iter([2.5]))
    assert resources.automatic_jobs() == 2
    monkeypatch.setattr(resources, "cgroup_memory", lambda: iter([(30, 20)]))
    assert resources.automatic_jobs() == 1


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"proc": "0::/job", "job/cpu.max": "150000 100000", "cpu.max": "max 100000"}, [1.5]),
        ({"proc": "0::/job", "job/cpu.max": "max 100000"}, []),
        (
            {"proc": "3:cpu,cpuacct:/job", "cpu/job/cpu.cfs_quota_us": "400000", "cpu/job/cpu.cfs_period_us": "100000"},
            [4],
        ),
        ({"proc": "3:cpu,cpuacct:/job", "cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, []),
    ],
)
def test_reads_core_limits_of_both_control_group_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: list[float]
) -> None:
    """Limits are read from the process's own group upward, because psutil does not know them."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    monkeypatch.setattr(resources, "CGROUP_ROOT", tmp_path)
    monkeypatch.setattr(resources, "OUR_CGROUPS", tmp_path / "proc")
    assert list(resources.cgroup_cores()) == cores


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": "o", "backup_dir": "b"}, "all originals stay"),
        ({"output": "o", "hardlinks": "relink"}, "leave out --hardlinks"),
        ({"keep_backups": True}, "--backup-dir"),
        ({"jobs": 100000}, "at most 1024"),
        ({"file_timeout": -1.0}, "must be 0 "),
        ({"hardlinks": "copy"}, "unknown way to treat hard links 'copy'; choose from skip, break, relink"),
    ],
)
def test_refuses_contradictory_options(arguments: dict[str, Any], message: str) -> None:
    """The error gives the reason, and nothing is started."""
    with pytest.raises(OptionsError, match=message):
        Options.parse(compression="zip", **arguments)


def test_readers_are_the_releases_that_brought_compressions() -> None:
    """Since OpenEXR 2.2, the oldest in use: a new compression needs its release in the choices."""
    releases = {compression.facts.first_release for compression in Compression}
    assert set(READERS) == {release for release in releases if release_number(release) >= (2, 2)}


def test_a_missing_engine_is_named_only_if_the_target_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZIP, ZIPS and the automatic choice are compressed by engines; ZSTD and PIZ are not."""
    monkeypatch.setitem(MODULES, Engine.ISAL, "no_such_module.inside")
    notes = {name: Run([str(tmp_path)], Options.parse(compression=name)).notes for name in ("zip", "auto", "zstd")}
    assert ["isal" in " ".join(notes[name]) for name in ("zip", "auto", "zstd")] == [True, True, False]
