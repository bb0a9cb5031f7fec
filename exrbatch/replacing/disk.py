"""Every system call by which a new file comes to be and takes the place of an old one.

One seam, so that a test can let any single call fail, or the process die there. No policy: what an error means is
for the callers to decide, and they decide by looking at the disk, not by the error's number.
"""

import errno
import os
import signal

from exrbatch.replacing import linux

if os.name == "posix":
    import fcntl


class _OpenFolders:
    """The folders that were synced last: to open and close one for each file costs three round trips to a server.

    Attributes:
        most: how many may stay open.
    """

    def __init__(self) -> None:
        self.most = 0
        self._open: dict[str, tuple[int, str]] = {}

    def descriptor(self, path: str) -> int:
        """Return a descriptor of the folder at this path."""
        fd, place = self._open.pop(path, (-1, ""))
        if fd >= 0 and not (place and self._place(fd) == place):  # it was moved or removed, or nobody can tell
            os.close(fd)
            fd = -1
        if fd < 0:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
            place = self._place(fd)
        self._open[path] = fd, place  # the last one used is the last one to be closed
        return fd

    def forget(self, path: str) -> None:
        """Close one, so that it is opened anew."""
        fd, _ = self._open.pop(path, (-1, ""))
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Close those that were not used for the longest time."""
        while len(self._open) > self.most:
            os.close(self._open.pop(next(iter(self._open)))[0])

    def _place(self, fd: int) -> str:
        """Ask the kernel where an open folder is; to look at its path would be a round trip as well."""
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            return ""


_open_folders = _OpenFolders()


class Disk:
    """The system's own calls. `DISK` is the one in use."""

    def create(self, path: str) -> int:
        """Make a file that must not exist yet, readable by nobody else, and open it to read and write."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o600)

    def make_folder(self, path: str, mode: int) -> None:
        """Make a folder that must not exist yet; the umask takes its share of the mode."""
        os.mkdir(path, mode)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        """Write at an offset; returns the bytes written, which may be fewer than asked."""
        if hasattr(os, "pwrite"):
            return os.pwrite(fd, data, offset)
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)

    def change_owner(self, fd: int, uid: int, gid: int) -> None:
        """Give the file away; -1 leaves one as it is."""
        os.fchown(fd, uid, gid)

    def set_xattr(self, file: int | str, name: str, value: bytes) -> None:
        """Set an extended attribute; access control lists are some of them."""
        os.setxattr(file, name, value)

    def remove_xattr(self, fd: int, name: str) -> None:
        """Remove an extended attribute."""
        os.removexattr(fd, name)

    def change_mode(self, fd: int, mode: int) -> None:
        """Set the permission bits."""
        os.fchmod(fd, mode)

    def set_times(self, fd: int, path: str, accessed: int, modified: int) -> None:
        """Set both times, in nanoseconds; by `path` where the system can't by descriptor."""
        os.utime(fd if os.utime in os.supports_fd else path, ns=(accessed, modified))

    def sync(self, fd: int) -> None:
        """Bring a file to the disk. Never try again after an error: the kernel may have dropped the data."""
        os.fsync(fd)

    def drop_cache(self, fd: int) -> None:
        """Let who reads the file next read from the disk, where the system can do that (Linux)."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self, fd: int) -> None:
        """Close; network file systems report a full disk only here. After an error too it is closed."""
        os.close(fd)

    def look(self, path: str) -> os.stat_result:
        """Look at what a name stands for, a link itself if it is one."""
        return os.lstat(path)

    def look_now(self, file: str | int) -> os.stat_result:
        """Look at what a name stands for, or at an open file, and let no client answer from its cache (Linux).

        A file server is asked anew: what somebody else did a second ago is seen, and what a call of ours has done whose
        reply was lost.
        """
        return linux.stat_now(file)

    def look_open(self, fd: int) -> os.stat_result:
        """Look at an open file."""
        return os.fstat(fd)

    def rename(self, path: str, target: str) -> None:
        """Rename, over what is there."""
        os.replace(path, target)

    def rename_new(self, path: str, target: str) -> None:
        """Rename, but never over anything: then `FileExistsError`; ENOSYS and others where that can't be asked for."""
        linux.rename(path, target, linux.RENAME_NOREPLACE)

    def exchange(self, path: str, target: str) -> None:
        """Let two names change places at once; ENOSYS, EINVAL and others where kernel or file system can't."""
        linux.rename(path, target, linux.RENAME_EXCHANGE)

    def link(self, path: str, target: str) -> None:
        """Give a file a second name."""
        os.link(path, target, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Remove a name."""
        os.unlink(path)

    def sync_directory(self, path: str) -> None:
        """Make a rename in this directory durable; where directories can't be synced, do nothing."""
        if os.name == "nt":
            return
        try:
            try:
                os.fsync(_open_folders.descriptor(path))
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
                _open_folders.forget(path)  # another client has replaced the folder: the new one is meant
                os.fsync(_open_folders.descriptor(path))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            _open_folders.close()

    def has_writer(self, fd: int) -> bool:
        """Whether anybody has this file, which is open for reading, open for writing; False where nobody can tell.

        Asked of the kernel by a read lease, which it refuses while there is a writer. Local file systems
        of Linux only, and only for one's own files.
        """
        if os.name != "posix" or not hasattr(fcntl, "F_SETLEASE"):
            return False
        try:
            # Whoever opens it in the instant between would have SIGIO sent to us, which kills; SIGURG is ignored.
            fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        return False


DISK = Disk()


def keep_folders_open() -> None:
    """Keep the two folders open that were synced last: that of the frames, and that of their backups or outputs.

    For processes that do nothing but this: a folder that is open keeps its file system from being unmounted.
    """
    _open_folders.most = 2


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Read at an offset: fewer bytes than asked, none at the end. It changes nothing, so no test lets it fail."""
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, size)
