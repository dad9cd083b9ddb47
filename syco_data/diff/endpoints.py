"""The two sides of a comparison: a release folder, REPO@VERSION on the Hub, or a git revision of a project.

A side gives its manifest at once and each file when it is asked for: comparing manifests downloads no data.
"""

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syco_data import git
from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.release import links, tables
from syco_data.release import manifest as manifests
from syco_data.release.manifest import File, Manifest

if TYPE_CHECKING:
    from syco_data.hub.addresses import Address

RELEASE = "data/release"
"""Where the release lies in a project, for git revisions; a project is the folder with `dvc.yaml`."""
VERIFY = "See what differs: python -m syco_data verify DIR; then pull or build the release again"
INSTALL = "Install it: pip install '.[build]'"


@dataclass(frozen=True)
class Side:
    """`name` as the user wrote it; `identity` the sha256 of the manifest; `locate` gives a file of the release."""

    name: str
    manifest: Manifest
    identity: str
    locate: Callable[[str], Path]

    def open(self, file: File) -> Path:
        """A file, verified against the manifest."""
        path = self.locate(file.path)
        if path.stat().st_size != file.bytes or manifests.digest_of(path) != file.sha256:
            with path.open("rb") as content:
                pointer = manifests.is_pointer(content.read(len(manifests.POINTER)))
            what = "a Git LFS pointer" if pointer else "not the file that its manifest names (damaged or changed)"
            raise SycoError(f"{self.name}: {file.path} is {what}", "git lfs pull" if pointer else VERIFY)
        if file.table:
            self._check_table(path, file)
        return path

    def _check_table(self, path: Path, file: File) -> None:
        """Raises where the file is not the table of the manifest, or unfolds to more than a table can."""
        try:
            wrong = next(tables.header(path, file).errors(file.as_table), None)
            parquet.check(path, tables.name_of(file), tables.limits(file))
        except SycoError as error:
            raise SycoError(f"{self.name}: {error.what}", VERIFY) from error
        if wrong:
            raise SycoError(f"{self.name}: {file.path}: {wrong}", VERIFY)


def open_side(name: str, workspace: Path, project: Path = Path()) -> Side:
    """A side by what the user wrote; downloads go below `workspace`, git revisions are looked up in `project`.

    A folder of that name wins over a git revision of the same name.
    """
    from syco_data.hub.addresses import Address

    if name and Path(name).is_dir():
        return folder_side(Path(name), name)
    if Address.looks_like(name):
        return hub_side(Address.parse(name), workspace)
    if is_revision(name, project):
        return git_side(name, project, workspace)
    raise SycoError(
        f"{name!r} is neither a folder, nor OWNER/NAME@VERSION, nor a git revision of this project",
        "Name two releases, such as: python -m syco_data diff HEAD~1 data/release",
    )


def folder_side(folder: Path, name: str | None = None) -> Side:
    """A release folder; links in it are followed where `links` says so."""

    def locate(path: str) -> Path:
        try:
            return links.file(folder, path)
        except FileNotFoundError as error:
            raise SycoError(
                f"{folder}: {path} is missing", "Get the release again: python -m syco_data pull"
            ) from error

    return Side(name or str(folder), manifests.read(folder), manifests.identity(folder), locate)


def is_revision(name: str, project: Path) -> bool:
    """Whether git knows a commit of that name. Raises `SycoError` where there is a repository that cannot be asked."""
    repository = git.repository(project)
    return repository is not None and repository.commit(name) is not None


def hub_side(address: "Address", workspace: Path) -> Side:
    """A version on the Hub. Its manifest is all that is downloaded until a file is asked for."""
    from syco_data.publish import loading, pulling

    work = workspace / str(address).replace("/", "--")
    work.mkdir(parents=True, exist_ok=True)
    manifest = pulling.manifest_of(address, work)
    whole: list[Path] = []

    def locate(path: str) -> Path:
        if not whole:
            whole.append(loading.kept(address))
        return whole[0] / path

    return Side(str(address), manifest, manifests.identity(work), locate)


def git_side(revision: str, project: Path, workspace: Path) -> Side:
    """The release of a git revision of this project, out of DVC's cache or, failing that, its remote."""
    repository = git.repository(_nearest(project, "dvc.yaml", ".dvc"))
    commit = repository.commit(revision) if repository else None
    assert repository and commit  # whoever calls has asked for both
    release = repository.prefix + RELEASE
    files = _dvc_files(_nearest(project, ".dvc"), commit, revision, release)
    work = workspace / commit

    def locate(path: str) -> Path:
        target = work / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(files, f"{release}/{path}", target, revision)
        return target

    locate(manifests.NAME)
    return Side(revision, manifests.read(work), manifests.identity(work), locate)


def _nearest(project: Path, *names: str) -> Path:
    """The first folder, from `project` upwards, that holds one of these; `project` itself where none does."""
    here = project.absolute()
    return next((folder for folder in (here, *here.parents) if any((folder / name).exists() for name in names)), here)


def _dvc_files(root: Path, commit: str, revision: str, release: str) -> Any:
    """DVC's view at a commit of the whole git repository, of which the project may be a part."""
    try:
        from dvc.api import DVCFileSystem
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexError
    except ImportError as error:
        raise SycoError("git revisions are compared through DVC, which is not installed", INSTALL) from error
    try:
        files = DVCFileSystem(str(root), rev=commit, subrepos=True)
        if not files.exists(release):
            raise SycoError(f"git revision {revision!r} has no {release}", "Name a revision whose build was committed")
    except DataIndexError as error:
        raise _absent(release, revision) from error
    except DvcException as error:
        raise SycoError(f"git revision {revision!r}: DVC says: {error}", _fetch_words(revision)) from error
    return files


def _copy(files: Any, path: str, target: Path, revision: str) -> None:
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexError

    temporary = target.with_name(f".{target.name}.tmp")
    try:
        files.get_file(path, str(temporary))
        if temporary.is_symlink():  # what DVC makes where its cache is linked
            cached = temporary.resolve()
            temporary.unlink()
            shutil.copyfile(cached, temporary)
    # What lists a folder that is nowhere is neither of DVC's exceptions nor the system's.
    except (DvcException, DataIndexError, OSError) as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SycoError(
                f"{target.parent}: the disk is full", "Make room, or set TMPDIR to a larger disk"
            ) from error
        raise _absent(path, revision) from error
    temporary.replace(target)


def _absent(path: str, revision: str) -> SycoError:
    return SycoError(
        f"git revision {revision!r}: {path} is neither in DVC's cache nor in a remote of the project",
        _fetch_words(revision),
    )


def _fetch_words(revision: str) -> str:
    return f"Fetch it: git checkout {revision} && dvc pull {RELEASE} (or dvc fetch --all-commits {RELEASE})"
