"""Object storage for machines that see no path in common: it keeps finished folders, and runs that are on their way.

ray_cluster.py uses it beside a trial's folder. What a manifest lists is held against its checksums when it comes back. Nothing
here locks anything: attempts.py says who writes what.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from toktrial import artifact, progress
from toktrial.artifact import MANIFEST
from toktrial.errors import TrialError
from toktrial.training.run import CHECKPOINTS

WITHOUT_FOLDERS = ("s3", "gcs", "abfs")  # by pyarrow's names: there a name may hold slashes, and nothing needs to be made first
SECONDS_BETWEEN_UPLOADS = 0.5  # of what a run has written meanwhile, if anything


class Storage:
    """Folders under an address: s3://BUCKET/PREFIX, gs://..., abfs://..., or fsspec+NAME://... for what else fsspec knows."""

    def __init__(self, address: str) -> None:
        """Raises TrialError where pyarrow knows no such storage."""
        import pyarrow as pa
        from pyarrow import fs

        self.address = address
        self._shown = re.sub(r"(?<=://)[^/]*@", "", address)  # without a key and its secret, which an address may hold
        try:
            self._remote, root = fs.FileSystem.from_uri(address)
        except (pa.ArrowException, ValueError, ImportError, OSError) as error:
            raise TrialError(f"{self._shown} is no storage ({error}): give an address such as s3://BUCKET/NAME") from None
        self._local, self._root = fs.LocalFileSystem(), PurePosixPath(root)

    def upload(self, folder: Path, name: str) -> None:
        """Uploads a finished folder as `name`, its manifest last; leaves files that are there already, by their checksums."""
        text, there = (folder / MANIFEST).read_bytes(), self._read(f"{name}/{MANIFEST}")
        if text == there:
            return
        known = json.loads(there)["files"] if there else {}
        self._delete(f"{name}/{MANIFEST}")  # until the new one is there, nobody takes the folder for whole
        for file, about in artifact.read_manifest(folder).get("files", {}).items():
            if known.get(file) != about:
                self._send(folder / file, f"{name}/{file}")
        self._send(folder / MANIFEST, f"{name}/{MANIFEST}")

    def download(self, name: str, folder: Path) -> bool:
        """Makes `folder` what was uploaded as `name`; returns whether that is a finished folder.

        Files that are there already, by their checksums, are left. Of a run on its way, everything is fetched that there is,
        its checkpoints first: what the other files hold is then at least as new. Raises TrialError where a file came damaged.
        """
        text = self._read(f"{name}/{MANIFEST}")
        if text is None:
            for file in sorted(self.files(name), key=lambda file: not PurePosixPath(file).match(CHECKPOINTS)):
                with suppress(FileNotFoundError):  # whoever trains it may have removed an old checkpoint meanwhile
                    self._receive(f"{name}/{file}", folder / file)
        elif not (folder / MANIFEST).is_file() or (folder / MANIFEST).read_bytes() != text:
            (folder / MANIFEST).unlink(missing_ok=True)
            for file, about in json.loads(text).get("files", {}).items():
                path = _within(folder, file)
                if not path.is_file() or artifact.describe_file(path) != about:
                    self._receive(f"{name}/{file}", path, about)
            self._receive(f"{name}/{MANIFEST}", folder / MANIFEST)
            artifact.read_manifest(folder)  # raises where it is damaged itself
        return text is not None

    @contextmanager
    def keeping(self, folder: Path, name: str) -> Iterator[None]:
        """Uploads to `name`, while the block runs and once after it, whatever is new in `folder`; an error only in the end."""
        uploaded: dict[str, int] = {}
        is_over = threading.Event()

        def upload_again_and_again() -> None:
            while not is_over.wait(SECONDS_BETWEEN_UPLOADS):
                try:
                    self._upload_changes(folder, name, uploaded)
                except TrialError as error:
                    progress.print_line(f"{error}; trying again")

        thread = threading.Thread(target=upload_again_and_again, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self._upload_changes(folder, name, uploaded)

    def _upload_changes(self, folder: Path, name: str, uploaded: dict[str, int]) -> None:
        """Uploads what has changed since `uploaded` (ns, by file), the manifest last, and checkpoints last but for that.

        So what goes on from an uploaded checkpoint finds the lines of metrics and the weights from before it.
        """
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        for path in sorted(files, key=lambda path: (path.name == MANIFEST, path.match(CHECKPOINTS))):
            file = path.relative_to(folder).as_posix()
            with suppress(FileNotFoundError):  # an old checkpoint that the run has removed meanwhile
                changed = path.stat().st_mtime_ns
                if uploaded.get(file) != changed:
                    self._send(path, f"{name}/{file}")
                    uploaded[file] = changed
        for file in set(uploaded).difference(path.relative_to(folder).as_posix() for path in files):
            self._delete(f"{name}/{file}")
            del uploaded[file]

    def files(self, name: str) -> list[str]:
        """Returns the names of all files under `name`."""
        from pyarrow import fs

        place = self._root / name
        with self._naming_itself():
            found = self._remote.get_file_info(fs.FileSelector(str(place), recursive=True, allow_not_found=True))
        return [str(PurePosixPath(file.path).relative_to(place)) for file in found if file.type == fs.FileType.File]

    def finished(self) -> list[str]:
        """Returns the names of all finished folders, that of the storage's own place (".") among them."""
        return [str(PurePosixPath(file).parent) for file in self.files("") if PurePosixPath(file).name == MANIFEST]

    def remove(self, name: str) -> None:
        """Removes everything under `name`, if there is anything."""
        for file in self.files(name):
            self._delete(f"{name}/{file}")

    def _send(self, path: Path, name: str) -> None:
        from pyarrow import fs

        to = self._root / name
        with self._naming_itself():
            if self._remote.type_name not in WITHOUT_FOLDERS:
                self._remote.create_dir(str(to.parent), recursive=True)
            fs.copy_files(str(path), str(to), self._local, self._remote)

    def _receive(self, name: str, path: Path, about: dict[str, Any] | None = None) -> None:
        """Publishes a file at `path`. Raises TrialError where it is not what its manifest says it is (`about`)."""
        from pyarrow import fs

        artifact.make_folder(path.parent)
        with artifact.publish_file(path) as partial:
            with self._naming_itself():
                fs.copy_files(str(self._root / name), str(partial), self._remote, self._local)
            if about is not None and artifact.describe_file(partial) != about:
                raise TrialError(f"{name} in {self._shown} is damaged: delete that folder there; it will be uploaded again")

    def _read(self, name: str) -> bytes | None:
        """Returns what a small file holds, None where it is not there."""
        with suppress(FileNotFoundError), self._naming_itself(), self._remote.open_input_stream(str(self._root / name)) as file:
            content: bytes = file.read()
            return content
        return None

    def _delete(self, name: str) -> None:
        with suppress(FileNotFoundError), self._naming_itself():
            self._remote.delete_file(str(self._root / name))

    @contextmanager
    def _naming_itself(self) -> Iterator[None]:
        """Raises TrialError, naming the storage, for what pyarrow raises where it cannot be reached or says no."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise TrialError(f"the storage {self._shown} cannot be used: {error}") from None


def _within(folder: Path, name: str) -> Path:
    """Returns the path of a file that a manifest names. Raises TrialError where that is not in the folder."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise TrialError(f"the manifest of {folder.name} in the storage names {name!r}, which is not in its folder")
    return folder / name
