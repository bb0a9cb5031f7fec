"""Owner, mode and access lists are kept, or the file is skipped.

A file is never more open than before.
"""

import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Status, recompress, recompress_many
from exrbatch.replacing import metadata
from exrbatch.replacing.disk import Disk
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
PROJECT = Path(__file__).resolve().parents[2]
OTHERS = "the new file can't have its owner or group; --force replaces it anyway"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="owners and attributes as Linux has them")


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "frame.exr"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


def acl(*entries: tuple[int, int, int]) -> bytes:
    """Build an access control list: tag, permissions, user or group."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY_ELSE = 0xFFFFFFFF
FOR_ONE_USER = acl(
    (0x01, 6, NOBODY_ELSE), (0x02, 6, 1234), (0x04, 0, NOBODY_ELSE), (0x10, 6, NOBODY_ELSE), (0x20, 0, NOBODY_ELSE)
)
"""The owner and user 1234 may read and write, nobody else has any permission.

The mode shows the mask as the bits of the group.
"""


def without_chown(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line as root without the right to give files away.

    That is the case in containers and with root squash.
    """
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    command = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown", sys.executable, "-m", "exrbatch", "recompress"]
    done = subprocess.run([*command, *map(str, arguments)], check=False, capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@root_only
class TestWithoutTheRightToGiveFilesAway:
    """Root may be unable to give files away.

    1234:1234 0640 became 0:0 0640, and the status was "recompressed" (issue 13, B7).
    """

    def test_skips_a_file_whose_owner_cannot_be_kept(self, frame: Path) -> None:
        """Nothing is touched, and the reason is given."""
        os.chown(frame, 1234, 1234)
        frame.chmod(0o640)
        before = frame.stat()
        assert f"skipped: {frame}: {OTHERS}" in without_chown(frame, code=1).stdout
        assert frame.stat() == before or frame.stat().st_ino == before.st_ino
        assert frame.read_bytes() == DATA
        assert [path.name for path in frame.parent.iterdir()] == [frame.name]

    def test_a_new_group_gets_no_permissions(self, frame: Path, tmp_path: Path) -> None:
        """With --force or -o, the new group may not read what the old group could.

        A note says so.
        """
        os.chown(frame, 1234, 1234)
        frame.chmod(0o2640)
        for options in (("-o", tmp_path / "out"), ("--force",)):
            done = without_chown(frame, *options)
            assert "1 × its owner could not be kept" in done.stdout
            assert "1 × its group could not be kept" in done.stdout
        for path in (frame, tmp_path / "out" / "frame.exr"):
            assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600)


def refuse_attributes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make the file system refuse an attribute."""
    real = Disk.set_xattr

    def refuse(self: Disk, fd: int, attribute: str, value: bytes) -> None:
        if attribute == name:
            raise OSError(95, os.strerror(95))
        real(self, fd, attribute, value)

    monkeypatch.setattr(Disk, "set_xattr", refuse)


def with_attribute(frame: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(frame, name, value)
    except OSError:
        pytest.skip(f"this file system has no {name}")


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("user.shot", b"ab010", "attribute user.shot"), ("system.posix_acl_access", FOR_ONE_USER, "access control list")],
)
def test_skips_or_notes_attributes_that_cannot_be_kept(
    frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: bytes, what: str
) -> None:
    """In place the file is skipped unless forced; an output or a copied backup gets a note."""
    with_attribute(frame, name, value)
    refuse_attributes(monkeypatch, name)
    report = recompress(frame)
    assert (report.status, report.reason) == (
        Status.SKIPPED,
        f"the new file can't keep its {what}; --force replaces it anyway",
    )
    assert frame.read_bytes() == DATA
    output = tmp_path / "out.exr"
    report = recompress(frame, output=output)
    assert (report.status, report.notes) == (Status.RECOMPRESSED, (f"its {what} could not be kept",))
    if value is FOR_ONE_USER:
        assert stat.S_IMODE(frame.stat().st_mode) == 0o660
        assert stat.S_IMODE(output.stat().st_mode) == 0o600, "the group had nothing: its bits were the list's mask"
    report = recompress(frame, force=True)
    assert (report.status, report.notes) == (Status.RECOMPRESSED, (f"its {what} could not be kept",))


def test_notes_what_a_copied_backup_could_not_keep(
    frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file system may have other attributes."""
    with_attribute(frame, "user.shot", b"ab010")
    backup = tmp_path / "backup.exr"
    link, set_xattr = Disk.link, Disk.set_xattr

    def link_elsewhere(self: Disk, path: str, target: str) -> None:
        if path == str(frame):
            raise OSError(18, os.strerror(18))
        link(self, path, target)

    def refuse_in_backups(self: Disk, fd: int, name: str, value: bytes) -> None:
        if os.path.dirname(os.readlink(f"/proc/self/fd/{fd}")) == str(tmp_path):
            raise OSError(95, os.strerror(95))
        set_xattr(self, fd, name, value)

    monkeypatch.setattr(Disk, "link", link_elsewhere)
    monkeypatch.setattr(Disk, "set_xattr", refuse_in_backups)
    report = recompress(frame, backup=backup)
    assert (report.status, report.notes) == (Status.RECOMPRESSED, ("its attribute user.shot could not be kept",))
    assert backup.read_bytes() == DATA


BITS = st.integers(0, 7)
LOST = st.sets(st.sampled_from(("owner", "group", "access control list")))


@given(BITS, BITS, st.lists(st.tuples(st.sampled_from((2, 8)), BITS)), BITS, LOST, st.booleans())
def test_nobody_gains_a_permission(
    group: int, other: int, named: list[tuple[int, int]], bound: int, lost: set[str], has_list: bool
) -> None:
    """Whatever is lost, for members of the old and new group, listed users, and everybody else."""
    mask = bound if named else None
    entries = [(1, 6, NOBODY_ELSE), *((tag, bits, 7) for tag, bits in named), (4, group, NOBODY_ELSE)]
    entries += ([] if mask is None else [(16, mask, NOBODY_ELSE)]) + [(32, other, NOBODY_ELSE)]
    has_list |= bool(named)
    given = metadata.Metadata.__new__(metadata.Metadata)
    shown = group if mask is None else mask
    given._source = os.stat_result((0o100000 | 0o6600 | shown << 3 | other, *[0] * 9))
    given._acl = acl(*entries) if has_list else None
    given.lost = sorted(lost)
    mode = given._safe_mode()
    most = 7 if mask is None else mask
    keeps_list = has_list and "access control list" not in lost
    cut = list(metadata._acl_entries(metadata._cut_acl(acl(*entries), mode)))
    new_mask = next((bits for tag, bits in cut if tag == 16), 7)
    in_group = next(bits for tag, bits in cut if tag == 4) & new_mask if keeps_list else mode >> 3 & 7
    as_other = next(bits for tag, bits in cut if tag == 32) if keeps_list else mode & 7
    old_group = group & most
    assert as_other & ~other == 0
    if "group" in lost:
        assert in_group & ~other == 0, "the new group were others"
        assert as_other & ~old_group == 0, "the old group are others now"
    else:
        assert in_group & ~old_group == 0
    for _, bits in [] if keeps_list else named:
        assert (in_group | as_other) & ~(bits & most) == 0, "somebody whom the list named may be in the group"
    assert mode & 0o700 == 0o600
    assert bool(mode & 0o6000) == (not {"owner", "group"} & lost)


class TestFolders:
    """Folders of a mirrored tree are no more open than their counterparts.

    The frames of a 0700 folder became readable to everybody (issue 13, B8).
    """

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for name, mode in (("open", 0o755), ("open/secret", 0o700), ("open/group", 0o2750)):
            (tmp_path / "in" / name).mkdir(parents=True)
            (tmp_path / "in" / name / "frame.exr").write_bytes(DATA)
            (tmp_path / "in" / name).chmod(mode)
        (tmp_path / "in").chmod(0o711)
        return tmp_path / "in"

    @pytest.mark.parametrize("kind", ["output", "backup_dir"])
    def test_new_folders_have_the_mode_of_their_counterparts(self, tree: Path, kind: str) -> None:
        """That includes the root of the tree; folders above it follow the umask."""
        if os.geteuid() == 0:
            os.chown(tree / "open" / "group", 1234, 2345)
        root = tree.with_name("above") / "root"
        options = {kind: root} | ({"keep_backups": True} if kind == "backup_dir" else {})
        umask = os.umask(0o022)
        try:
            reports = list(recompress_many(tree, jobs=1, **options))  # type: ignore[arg-type]
        finally:
            os.umask(umask)
        assert {report.status for report in reports} == {Status.RECOMPRESSED}
        for name in ("", "open", "open/secret", "open/group"):
            mine, theirs = (root / name).stat(), (tree / name).stat()
            assert (oct(mine.st_mode), mine.st_uid, mine.st_gid) == (oct(theirs.st_mode), theirs.st_uid, theirs.st_gid)
        assert stat.S_IMODE(root.parent.stat().st_mode) == 0o755

    def test_keeps_the_mode_of_existing_folders(self, tree: Path) -> None:
        """They belong to the user."""
        root = tree.with_name("out")
        (root / "open").mkdir(parents=True)
        (root / "open").chmod(0o777)
        list(recompress_many(tree, output=root, jobs=1))
        assert stat.S_IMODE((root / "open").stat().st_mode) == 0o777

    def test_mirrors_a_folder_that_is_not_writable(self, tree: Path) -> None:
        """Its copy must be writable for the run."""
        (tree / "open" / "secret").chmod(0o500)
        reports = list(recompress_many(tree, output=tree.with_name("out"), jobs=1))
        assert {report.status for report in reports} == {Status.RECOMPRESSED}
        (tree / "open" / "secret").chmod(0o700)
