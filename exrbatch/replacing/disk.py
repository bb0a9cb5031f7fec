"""Every system call that creates a new file and puts it in the place of an old one.

All these calls are in one module, so that a test can make any single call fail or kill the process
there. The module has no policy. Callers decide what an error means, and they decide by looking at
the disk, not by the error number.
"""

import errno
import os
import signal

from exrbatch.replacing import linux

if os.name == "posix":
    import fcntl


class _OpenFolders:
    """Descriptors of the folders that were synced last.

    Opening and closing a folder for each file would cost three round trips to a file server.

    Attributes:
        most: the number of folders that may stay open.
    """

    def __init__(self) -> None:
        self.most = 0
        self._open: dict[str, tuple[int, str]] = {}

    def descriptor(self, path: str) -> int:
        """Return an open descriptor of the folder at a path."""
        fd, place = self._open.pop(path, (-1, ""))
        if fd >= 0 and not (place and self._place(fd) == place):  # moved, removed, or its place is unknown
            os.close(fd)
            fd = -1
        if fd < 0:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
            place = self._place(fd)
        self._open[path] = fd, place  # inserted at the end: the least recently used folder is closed first
        return fd

    def forget(self, path: str) -> None:
        """Close the descriptor of a path, so that the next use opens the folder again."""
        fd, _ = self._open.pop(path, (-1, ""))
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Close the least recently used folders until only `most` are open."""
        while len(self._open) > self.most:
            os.close(self._open.pop(next(iter(self._open)))[0])

    def _place(self, fd: int) -> str:
        """Return the path that the kernel knows for an open folder, or "" if it is unknown.

        This needs no request to a file server, but a stat of the folder's path would need one.
        """
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            return ""


_open_folders = _OpenFolders()


class Disk:
    """The real system calls. All code calls them through `DISK`, which tests replace."""

    def create(self, path: str) -> int:
        """Create a file that must not exist yet, and open it for reading and writing.

        Only its owner has access to it (mode 0600).
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o600)

    def make_folder(self, path: str, mode: int) -> None:
        """Create a folder that must not exist yet. The umask is applied to the mode."""
        os.mkdir(path, mode)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        """Write at an offset, and return the number of bytes written: it may be less than all."""
        if hasattr(os, "pwrite"):
            return os.pwrite(fd, data, offset)
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)

    def change_owner(self, fd: int, uid: int, gid: int) -> None:
        """Change the owner and group of an open file; -1 leaves that ID unchanged."""
        os.fchown(fd, uid, gid)

    def set_xattr(self, file: int | str, name: str, value: bytes) -> None:
        """Set an extended attribute. Access control lists are extended attributes, too."""
        os.setxattr(file, name, value)

    def remove_xattr(self, fd: int, name: str) -> None:
        """Remove an extended attribute."""
        os.removexattr(fd, name)

    def change_mode(self, fd: int, mode: int) -> None:
        """Set the permission bits."""
        os.fchmod(fd, mode)

    def set_times(self, fd: int, path: str, accessed: int, modified: int) -> None:
        """Set the access and modification time of an open file, in nanoseconds.

        `path` is used where the system can't set times by descriptor.
        """
        os.utime(fd if os.utime in os.supports_fd else path, ns=(accessed, modified))

    def sync(self, fd: int) -> None:
        """Sync a file to disk.

        Never retry this after an error: the kernel may have dropped the data.
        """
        os.fsync(fd)

    def drop_cache(self, fd: int) -> None:
        """Drop the file from the page cache (Linux only), so that the next read comes from disk."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self, fd: int) -> None:
        """Close a file. It is closed even if this raises.

        Network file systems may report a full disk only here.
        """
        os.close(fd)

    def look(self, path: str) -> os.stat_result:
        """Return the status of the file with this name. A symbolic link is not followed."""
        return os.lstat(path)

    def look_now(self, file: str | int) -> os.stat_result:
        """Return the status of a path or descriptor, bypassing a network client's cache (Linux).

        The file server is asked again. So the result shows what another program did a second ago,
        and what a call of ours did if its reply was lost.
        """
        return linux.stat_now(file)

    def look_open(self, fd: int) -> os.stat_result:
        """Return the status of an open file."""
        return os.fstat(fd)

    def rename(self, path: str, target: str) -> None:
        """Rename a file, and overwrite what is at the target."""
        os.replace(path, target)

    def rename_new(self, path: str, target: str) -> None:
        """Rename a file without ever overwriting anything.

        Raises:
            FileExistsError: The target exists.
            OSError: With ENOSYS and others, the kernel or file system has no such rename.
        """
        linux.rename(path, target, linux.RENAME_NOREPLACE)

    def exchange(self, path: str, target: str) -> None:
        """Exchange two names in one atomic step.

        Raises:
            OSError: With ENOSYS, EINVAL and others, the kernel or file system has no exchange.
        """
        linux.rename(path, target, linux.RENAME_EXCHANGE)

    def link(self, path: str, target: str) -> None:
        """Create a hard link: give the file at `path` the second name `target`."""
        os.link(path, target, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Remove a name."""
        os.unlink(path)

    def sync_directory(self, path: str) -> None:
        """Make the renames in a folder durable. Do nothing where folders can't be synced."""
        if os.name == "nt":
            return
        try:
            try:
                os.fsync(_open_folders.descriptor(path))
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
                _open_folders.forget(path)  # another client has replaced the folder: sync the new one
                os.fsync(_open_folders.descriptor(path))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            _open_folders.close()

    def has_writer(self, fd: int) -> bool:
        """Return whether any process has a file open for writing.

        The kernel refuses a read lease on a file while a process has it open for writing. This
        works only on local file systems of Linux, and only for files that this user owns.

        Args:
            fd: a descriptor of the file, opened for reading only.

        Returns:
            True if there is a writer; False if there is none, or if that can't be found out.
        """
        if os.name != "posix" or not hasattr(fcntl, "F_SETLEASE"):
            return False
        try:
            # If another program opens the file while we have the lease, the kernel sends us a
            # signal. The default, SIGIO, would kill this process; SIGURG is ignored.
            fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        return False


DISK = Disk()


def keep_folders_open() -> None:
    """Keep the last two synced folders open: that of the frames, and that of backups or outputs.

    Call this only in worker processes, which do nothing else: an open folder keeps its file system
    from being unmounted.
    """
    _open_folders.most = 2


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Read up to `size` bytes at an offset. The result may be shorter, and is empty at the end.

    This is not a method of `Disk`, because it changes nothing and no test makes it fail.
    """
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, size)
