"""A disk that loses power: runs toktrial, ends it at one moment, and leaves behind only what had been synced by then.

    python losing_disk.py DISK SURVIVED MOMENT ARGUMENT...

Every `os.fsync` of a file keeps its content, and every `os.fsync` of a folder keeps its entries, as a journalling file system
promises and no more. At the MOMENT-th sync or rename the process ends, and SURVIVED receives what a reboot would find of the
folder DISK: folders as they were last synced, files with the content last synced, empty where they never were. Where the
command ends before that moment, says how many moments there were.
"""

import os
import resource
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toktrial.cli import main

LOST_POWER = 77  # the exit status


class LosingDisk:
    """Watches a process's syncs and renames."""

    def __init__(self, disk: Path, survived: Path, moment: int) -> None:
        self._disk, self._survived, self._moment = disk, survived, moment
        self.passed = 0
        self._contents: dict[int, bytes] = {}  # by inode, as last synced
        self._entries: dict[int, dict[str, tuple[int, bool]]] = {}  # inode and whether it is a folder, by name
        self._kept_open: dict[int, int] = {}
        self._fsync = os.fsync
        os.fsync = self._watched_fsync
        os.rename, os.replace = self._watched(os.rename), self._watched(os.replace)

    def _watched_fsync(self, fd: Any) -> None:
        self._fsync(fd)
        found, path = os.fstat(fd), f"/proc/self/fd/{fd}"
        self._keep_open(found.st_ino, path)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                self._entries[found.st_ino] = {
                    each.name: (each.inode(), each.is_dir(follow_symlinks=False)) for each in entries
                }
            for name, (inode, _) in self._entries[found.st_ino].items():
                self._keep_open(inode, f"{path}/{name}")
        else:
            self._contents[found.st_ino] = Path(path).read_bytes()
        self._pass()

    def _keep_open(self, inode: int, path: str) -> None:
        """Keeps the system from giving the inode of a deleted file to another file."""
        if inode not in self._kept_open:
            self._kept_open[inode] = os.open(path, os.O_PATH)

    def _watched(self, move: Callable[..., None]) -> Callable[..., None]:
        def moved(*arguments: Any, **options: Any) -> None:
            move(*arguments, **options)
            self._pass()

        return moved

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self._moment:
            self._survived.mkdir()
            self._restore(self._disk.stat().st_ino, self._survived)
            os._exit(LOST_POWER)

    def _restore(self, inode: int, place: Path) -> None:
        for name, (of_entry, is_folder) in self._entries.get(inode, {}).items():
            if is_folder:
                (place / name).mkdir()
                self._restore(of_entry, place / name)
            else:
                (place / name).write_bytes(self._contents.get(of_entry, b""))


if __name__ == "__main__":
    folder, survivors, number, *arguments = sys.argv[1:]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    disk = LosingDisk(Path(folder), Path(survivors), int(number))
    main(arguments)
    print(f"{disk.passed} moments")
