"""Origin `directory`: sources in Hub-like folders, `<root>/<owner>__<name>/` for each repository.

A repository's folder is laid out as `layouts` describes, which is also what
`hf download <owner>/<name> --repo-type dataset --local-dir <root>/<owner>__<name>` leaves behind. That command
keeps a record of every file's commit and hash below `.cache`; where it is there and still true, the commit
goes into the provenance. Linked folders are entered (`listing`), and what a Parquet file may unfold to is bounded
(`examination.LIMITS`).

DVC does not watch a folder outside the project: after a change of its files, `dvc repro --force acquire@sst2`.
"""

import re
from pathlib import Path

from syco_data import files
from syco_data.acquire import layouts
from syco_data.acquire.examination import Fetched, SplitFiles
from syco_data.errors import SycoError
from syco_data.formats import listing
from syco_data.hub.addresses import COMMIT
from syco_data.sources import Source

"""A full git commit: the only kind of revision that cannot move."""
_RECORD = 4096  # bytes of a record of `hf download`
_SHA256 = re.compile(r"[0-9a-f]{64}")


def find(source: Source, root: Path, wanted: str) -> Fetched:
    """The files of a source below a folder of sources.

    `wanted` is the revision from the params: where it is a commit and the folder is known to hold another one,
    that is an error. Raises `SycoError` for a missing folder, a missing, doubled or incomplete split.
    """
    folder = _repository(source, root)
    paths = listing.files(folder, f"source '{source.key}'")
    names = {split: layouts.data_files(paths, source, split) for split in (source.train, source.held_out)}
    revision = _revision(folder, [name for shards in names.values() for name in shards])
    if revision and COMMIT.fullmatch(wanted) and revision != wanted:
        raise SycoError(
            f"source '{source.key}': {folder} holds commit {revision}, params.yaml pins {wanted}. Nothing was written",
            f"Fetch the pinned one: hf download {source.hub_id} --repo-type dataset --revision {wanted} "
            f"--local-dir {folder}",
        )
    splits = tuple(SplitFiles(split, tuple(folder / name for name in shards)) for split, shards in names.items())
    return Fetched(splits, tuple(folder / name for name in layouts.cards(paths, source)), revision)


def _repository(source: Source, root: Path) -> Path:
    folder = root / source.hub_id.replace("/", "__")
    if folder.is_dir():
        return folder
    if not root.is_dir():
        raise SycoError(
            f"source '{source.key}': there is no folder {root}",
            "Set acquire.directory in params.yaml, or SYCO_SOURCES, to a folder with one folder per repository",
        )
    there = layouts.some(sorted(path.name for path in root.iterdir() if path.is_dir()))
    raise SycoError(
        f"source '{source.key}': {root} has no folder {folder.name} (found: {there}). Nothing was written",
        f"Fetch it: hf download {source.hub_id} --repo-type dataset --local-dir {folder}",
    )


def _revision(folder: Path, names: list[str]) -> str | None:
    """The one commit that all files are recorded to belong to and still match; None where that is not known."""
    commits = {_commit_of(folder, name) for name in names}
    return commits.pop() if len(commits) == 1 else None


def _commit_of(folder: Path, name: str) -> str | None:
    """The commit from `hf download`'s record of a file, if the file's hash is still the recorded one."""
    record = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
    if not record.is_file() or not (folder / name).is_file():
        return None
    commit, recorded, *_ = [*files.read(record, _RECORD).decode(errors="replace").split(), "", ""]
    is_recorded = COMMIT.fullmatch(commit) and _SHA256.fullmatch(recorded)
    return commit if is_recorded and files.sha256(folder / name) == recorded else None
