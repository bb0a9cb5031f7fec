"""`recompress -o`: a mirror is complete, or says what it lacks."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_recompress import DATA
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch
from tests.support.explode import explode

ACES = build(
    [PartSpec(window=(0, 0, 63, 63), noise=0.05, attributes=(("acesImageContainerFlag", "int", b"\1\0\0\0"),))]
)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make two good frames, an ACES frame, a damaged one, and a link."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for name, data in (("1.exr", DATA), ("2.exr", DATA), ("aces.exr", ACES), ("bad.exr", DATA[:-9])):
        (folder / name).write_bytes(data)
    (folder / "link.exr").symlink_to("1.exr")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_says_how_many_files_are_not_in_the_mirror(shot: Path, tmp_path: Path) -> None:
    """The exit code is 1, and the JSON document has the number.

    305 of 2,805 files were missing, and the summary did not say so (issue 17).
    """
    done = exrbatch("recompress", shot, "-o", tmp_path / "out", code=1)
    assert f"3 files are NOT in {tmp_path}/out" in done.stdout
    assert names(tmp_path / "out") == {"1.exr", "2.exr"}
    document = json.loads(exrbatch("recompress", shot, "-o", tmp_path / "out", "--json", code=1).stdout)
    assert document["summary"]["not_in_output"] == 3
    for path in (shot / "aces.exr", shot / "bad.exr", shot / "link.exr"):
        path.unlink()
    assert "NOT in" not in exrbatch("recompress", shot, "-o", tmp_path / "out").stdout


def test_copies_skipped_files_if_asked(shot: Path, tmp_path: Path) -> None:
    """Those that are skipped for what they are. A second run finds the copies."""
    for _ in range(2):
        done = exrbatch("recompress", shot, "-o", tmp_path / "out", "--copy-skipped", "--json", code=1)
        document = json.loads(done.stdout)
        (record,) = [each for each in document["files"] if each["path"].endswith("aces.exr")]
        assert (record["status"], record["reason_code"], record["copied"]) == ("skipped", "aces", True)
        assert (tmp_path / "out" / "aces.exr").read_bytes() == ACES
        assert document["summary"]["not_in_output"] == 2  # the damaged one, and the link
    (shot / "bad.exr").unlink()
    (shot / "link.exr").unlink()
    exrbatch("recompress", shot, "-o", tmp_path / "out", "--copy-skipped")
    done = exrbatch("recompress", shot / "aces.exr", "-o", tmp_path / "one", "--copy-skipped")
    assert "nothing was done" not in done.stdout


def test_a_copy_never_overwrites_another_file(shot: Path, tmp_path: Path) -> None:
    """A link in its place is not followed either."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "aces.exr").write_bytes(b"precious")
    exrbatch("recompress", shot, "-o", tmp_path / "out", "--copy-skipped", code=1)
    assert (tmp_path / "out" / "aces.exr").read_bytes() == b"precious"
    (tmp_path / "out" / "aces.exr").unlink()
    (tmp_path / "out" / "aces.exr").symlink_to(shot / "aces.exr")
    done = exrbatch("recompress", shot, "-o", tmp_path / "out", "--copy-skipped", code=1)
    assert "the output is the source itself or a link to it" in done.stdout
    assert (tmp_path / "out" / "aces.exr").is_symlink()


def test_a_frame_that_is_being_written_is_not_copied(shot: Path, tmp_path: Path) -> None:
    """The copy would be incomplete."""
    writer = subprocess.Popen(["sh", "-c", "exec 3>>aces.exr; echo; exec sleep 60"], cwd=shot, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        exrbatch("recompress", shot / "aces.exr", "-o", tmp_path / "out", "--copy-skipped", code=1)
    finally:
        writer.kill()
        writer.communicate()
    assert not (tmp_path / "out" / "aces.exr").exists()


def test_one_file_can_have_an_output_of_its_own_name(shot: Path, tmp_path: Path) -> None:
    """`-o new.exr` writes that file; -o made a folder of that name (issue 17)."""
    new = tmp_path / "new.exr"
    exrbatch("recompress", shot / "1.exr", "-o", new)
    assert explode(new.read_bytes())[0].raw == explode(DATA)[0].raw
    assert "1 already" in exrbatch("recompress", shot / "1.exr", "-o", new).stdout
    old = new.read_bytes()
    exrbatch("recompress", shot / "aces.exr", "-o", new, "--allow-aces", code=1)
    assert new.read_bytes() == old
    assert "has the name of a file" in exrbatch("recompress", shot, "-o", tmp_path / "x.exr", code=2).stderr
    done = exrbatch("recompress", shot / "1.exr", "-o", shot / "1.exr", code=1)
    assert "the output is the source itself" in done.stdout
    assert (shot / "1.exr").read_bytes() == DATA


def test_a_finished_file_reports_the_compression_of_the_output(shot: Path, tmp_path: Path) -> None:
    """The second run named that of the source (issue 17)."""
    for _ in range(2):
        done = exrbatch("recompress", shot / "1.exr", "-o", tmp_path / "out", "--json")
        (record,) = json.loads(done.stdout)["files"]
        assert (record["compressions_before"], record["compressions_after"]) == (["NONE"], ["ZIP"])
        assert record["size_after"] == os.stat(tmp_path / "out" / "1.exr").st_size


def test_a_run_that_only_copies_says_so(shot: Path, tmp_path: Path) -> None:
    """Files that need no change are copied to the mirror."""
    exrbatch("recompress", shot / "1.exr", shot / "2.exr")
    done = exrbatch("recompress", shot / "1.exr", shot / "2.exr", "-o", tmp_path / "out")
    assert "2 files: 2 copied" in done.stdout
    assert "2 files: 2 already" in exrbatch("recompress", shot / "1.exr", shot / "2.exr", "-o", tmp_path / "out").stdout


def test_damaged_files_are_never_copied(shot: Path, tmp_path: Path) -> None:
    """Not those that are skipped for their header either, nor those that need no change."""
    zipped = build([PartSpec(window=(0, 0, 63, 63), noise=0.05, compression=3)])
    (shot / "cut_aces.exr").write_bytes(ACES[:-9])
    (shot / "cut_zip.exr").write_bytes(zipped[:-9])
    done = exrbatch("recompress", shot, "-o", tmp_path / "out", "--copy-skipped", "--json", code=1)
    records = {os.path.basename(each["path"]): each for each in json.loads(done.stdout)["files"]}
    for name in ("cut_aces.exr", "cut_zip.exr"):
        assert (records[name]["status"], records[name]["reason_code"]) == ("failed", "damaged")
    assert names(tmp_path / "out") == {"1.exr", "2.exr", "aces.exr"}


def test_a_pipe_at_the_place_of_a_copy_is_left_alone(shot: Path, tmp_path: Path) -> None:
    """Opening it to compare it would wait for a writer for ever."""
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / "aces.exr")
    done = exrbatch("recompress", shot / "aces.exr", "-o", tmp_path / "out", "--copy-skipped", "--json", code=1)
    assert json.loads(done.stdout)["files"][0]["reason_code"] == "output_exists"


def test_a_forced_copy_never_replaces_the_source(shot: Path) -> None:
    """With `auto`, a file is skipped before anybody looks at its output."""
    source = shot / "aces.exr"
    os.link(source, shot / "same")
    exrbatch("recompress", source, "-o", source, "-c", "auto", "--copy-skipped", "--force", code=1)
    assert os.path.samefile(source, shot / "same")


def test_dots_after_a_link_lead_where_the_system_goes(
    tmp_path: Path, own_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`link/../out` is beside the target of the link. A folder `out` appeared here, too.

    A journal with the wrong paths would make `undo` look for other files.
    """
    real, here = tmp_path / "real", tmp_path / "here"
    for folder in (real / "deep", real / "shots", here / "shots"):
        folder.mkdir(parents=True)
        (folder / "1.exr").write_bytes(DATA)
    (here / "link").symlink_to(real / "deep")
    monkeypatch.chdir(here)
    exrbatch("recompress", "link/../shots", "-o", "link/../out/x")
    assert not (here / "out").exists()
    assert explode((real / "out" / "x" / "1.exr").read_bytes())[0].raw == explode(DATA)[0].raw
    exrbatch("recompress", "link/../shots")
    assert (here / "shots" / "1.exr").read_bytes() == DATA
    assert (real / "shots" / "1.exr").read_bytes() != DATA
    exrbatch("undo")
    assert (real / "shots" / "1.exr").read_bytes() == DATA
