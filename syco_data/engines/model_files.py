"""What lies in a model folder: JSON files and the headers of its weights, read as files of a stranger.

No weight is read here and no library of models is needed: names, types and shapes stand in the headers of safetensors.
"""

import json
import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from syco_data import files
from syco_data.errors import SycoError

SINGLE, INDEX, ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_config.json"
LARGEST_JSON = 64 << 20  # bytes
LARGEST_HEADER = 100_000_000  # bytes; safetensors' own bound
DEEPEST = 32  # levels of a JSON file
POINTER = b"version https://git-lfs.github.com/spec/"
READ = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
"""Size of one value by the name of its type, as safetensors has them."""


class Tensor(NamedTuple):
    """A tensor by the header of its file, which is named last."""

    dtype: str
    shape: tuple[int, ...]
    file: str


def refused(label: str, reason: str, hint: str = "Fetch or save the model again") -> SycoError:
    """The one line about a model folder; `label` says which ("model 'mine'")."""
    return SycoError(f"{label}: {reason}", hint)


def check_regular(label: str, folder: Path) -> None:
    """Refuses a pipe, a folder, a dangling link or a Git LFS pointer under a name that a library would open."""
    for path in sorted({path for pattern in READ for path in folder.glob(pattern)}):
        if not path.exists():
            raise refused(label, f"{path.name} is a link to a file that is not there")
        if not path.is_file():
            raise refused(label, f"{path.name} is not a regular file")
        try:
            with path.open("rb") as file:
                first = file.read(len(POINTER))
        except OSError as error:
            raise refused(label, f"{path.name} cannot be read: {error.strerror}", "Correct its rights") from error
        if first == POINTER:
            raise refused(
                label, f"{path.name} is a Git LFS pointer, not the file itself", f"Run `git lfs pull` in {folder}"
            )


def read_json(label: str, path: Path) -> dict:
    """The mapping of a JSON file. Numbers such as Infinity are taken: configurations of models hold them."""
    try:
        value = json.loads(files.read(path, LARGEST_JSON).decode())
    except SycoError as error:
        raise refused(label, error.what) from error
    except FileNotFoundError as error:
        raise refused(label, f"there is no {path.name}") from error
    except RecursionError as error:
        raise refused(label, f"{path.name} is nested more than {DEEPEST} levels deep") from error
    except ValueError as error:
        raise refused(label, f"{path.name} is not valid JSON") from error
    if not isinstance(value, dict):
        raise refused(label, f"{path.name} holds no mapping")
    if any(depth > DEEPEST for depth, _, _ in walk(value)):
        raise refused(label, f"{path.name} is nested more than {DEEPEST} levels deep")
    return value


def walk(value: Any) -> Iterator[tuple[int, str, Any]]:
    """Depth, key and value of every entry at any depth of a JSON mapping; those of lists have the list's key."""
    waiting = [(0, "", value)]
    while waiting:
        depth, key, value = waiting.pop()
        yield depth, key, value
        if isinstance(value, dict):
            waiting += [(depth + 1, name, inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(depth + 1, key, inner) for inner in value]


def weight_files(label: str, folder: Path) -> list[Path]:
    """The files that hold the model: `model.safetensors`, or those that the index names."""
    there = {path.name for path in folder.glob("*.safetensors")}
    if not there:
        others = sorted(path.name for suffix in ("*.bin", "*.pt", "*.gguf") for path in folder.glob(suffix))
        reason = f"only {others[0]}: safetensors are the one kind that is read" if others else "none"
        raise refused(label, f"the folder {folder} has no *.safetensors ({reason})")
    if not (folder / INDEX).is_file():
        if SINGLE not in there:
            raise refused(label, f"{min(there)} is neither {SINGLE} nor named by an index (there is no {INDEX})")
        return [folder / SINGLE]
    names = set(_index(label, folder).values())
    if missing := sorted(names - there):
        raise refused(label, f"the folder {folder} is incomplete: no {missing[0]}")
    if SINGLE in there and names != {SINGLE}:
        raise refused(
            label,
            f"{SINGLE} lies beside {INDEX}, which names other files: engines would read different weights",
            "Remove the one that is not the model's",
        )
    return [folder / name for name in sorted(names)]


def _index(label: str, folder: Path) -> dict[str, str]:
    """The file of each tensor by the index."""
    index = read_json(label, folder / INDEX).get("weight_map")
    if not isinstance(index, dict) or not index or not all(isinstance(name, str) for name in index.values()):
        raise refused(label, f"weight_map of {INDEX} is not a mapping of tensors to files")
    for name in index.values():
        if not re.fullmatch(r"[^/\\\0]+", name) or name in (".", ".."):
            raise refused(label, f"{INDEX} names {name!r:.100}, which is not a file of this folder")
    return index


def tensors(label: str, folder: Path) -> dict[str, Tensor]:
    """Every tensor of the model by its name. Raises `SycoError` for damaged headers and an index that lies."""
    declared: dict[str, Tensor] = {}
    for path in weight_files(label, folder):
        for name, tensor in header(label, path).items():
            if name in declared:
                raise refused(label, f"tensor '{name}' is in both {declared[name].file} and {path.name}")
            declared[name] = tensor
    if (folder / INDEX).is_file():
        for name, file in _index(label, folder).items():
            if name not in declared or declared[name].file != file:
                raise refused(label, f"{file} lacks tensor '{name}', which {INDEX} says it holds")
    return declared


def parameters(folder: Path) -> int:
    """How many numbers the weight files of a folder hold; 0 where there are none."""
    headers = (header(folder.name, path) for path in sorted(folder.glob("*.safetensors")))
    return sum(prod(tensor.shape) for tensors_ in headers for tensor in tensors_.values())


def header(label: str, path: Path) -> dict[str, Tensor]:
    """The tensors that a safetensors file declares, after a check that its bytes are theirs, to the last one."""
    with path.open("rb") as file:
        size, length = int.from_bytes(file.read(8), "little"), path.stat().st_size
        if length < 8 or size > min(length - 8, LARGEST_HEADER):
            raise refused(label, f"{path.name} is not a safetensors file, or cut off")
        content = file.read(size)
    try:
        entries = json.loads(content)
        entries.pop("__metadata__", None)
        parts = sorted((*_span(entry), name) for name, entry in entries.items())
        declared = {name: Tensor(entry["dtype"], tuple(entry["shape"]), path.name) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise refused(label, f"{path.name} is not a safetensors file: its header is malformed") from error
    if not parts:
        raise refused(label, f"{path.name} holds no tensor")
    end = 0
    for first, last, name in parts:
        if first != end:
            raise refused(label, f"{path.name}: tensor '{name}' begins at byte {first:,}, expected {end:,}")
        end = last
    if (expected := 8 + size + end) != length:
        raise refused(label, f"{path.name} has {length:,} bytes, expected {expected:,}")
    return declared


def _span(entry: dict) -> tuple[int, int]:
    """First and last byte of a tensor; raises `ValueError` where they do not fit its type and shape."""
    first, last = entry["data_offsets"]
    numbers = [first, last, *entry["shape"]]
    if len(numbers) > 64 or not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers):
        raise ValueError("not a size")
    if (last - first) * 8 != prod(entry["shape"]) * BITS[entry["dtype"]]:
        raise ValueError("another size than its shape's")
    return first, last
