"""A GGUF file, the form of llama.cpp, as a model folder: weights, tokenizer, chat template and generation config.

transformers reads the file and turns blocks back into numbers. Nothing of it is believed before that: the table of
tensors has to fit the file, and what transformers would leave out or make up is refused. The folder says in `gguf.json`
which file it was made of.
"""

import json
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from syco_data import files, ownership
from syco_data.engines import architectures, model_files, models
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError, first_line

RECORD, KIND, MAGIC = "gguf.json", "imported model", b"GGUF"
DTYPES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of a weight by the type that it may be written in."""


@dataclass(frozen=True)
class Imported:
    """Which file a folder was made of; `tensors` counts them by their type in the file, such as Q4_1."""

    file: str
    sha256: str
    architecture: str
    tensors: dict[str, int]

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.tensors.items()))
        return f"imported from {self.file} ({self.architecture}; tensors: {kinds}; SHA-256 {self.sha256})"


def read_record(folder: Path) -> Imported | None:
    """What a model folder says of the file that it was made of; None where it was not imported."""
    try:
        return Imported(**model_files.read_json(folder.name, folder / RECORD))
    except (SycoError, TypeError):
        return None


def import_model(source: Path, target: Path, dtype: str = "float32") -> Imported:
    """Writes the folder `target`, whole or not at all. Raises `SycoError` for any file that is not a whole model.

    A folder is replaced where it was made by an import and holds nothing else.
    """
    if not find_spec("gguf"):
        raise SycoError("the package 'gguf' is not installed here", "pip install '.[gguf]'")
    if dtype not in DTYPES:
        raise SycoError(f"dtype '{dtype}' is none of {', '.join(DTYPES)}")
    hint = "Name a new or empty folder"
    ownership.require(target, hint, lambda folder: ownership.marked_files(folder, KIND))
    header, kinds = _header(source)
    _check_room(target, sum(prod(tensor.shape) for tensor in header.tensors) * DTYPES[dtype])
    record = Imported(
        source.name, files.sha256(source), header.architecture,
        dict(Counter(kinds[tensor.ggml_type] for tensor in header.tensors)),
    )  # fmt: skip
    with ownership.replacing(target, hint, kind=KIND) as fresh:
        _convert(source, fresh, header, dtype)
        files.write_json(fresh / RECORD, asdict(record))
        _check(source.name, fresh)
    return record


def _header(source: Path) -> tuple[Any, dict[int, str]]:
    """transformers' table of the file's tensors, which lie in it whole, and the names of their types."""
    try:
        with source.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise SycoError(f"{source} cannot be read: {error.strerror}", "Name a GGUF file") from error
    if magic != MAGIC:
        raise SycoError(f"{source} is not a GGUF file", "Name a file that ends in .gguf, with its content")
    from transformers.integrations.gguf.dequant import GGML_NAME
    from transformers.integrations.gguf.reader import GgufHeader

    try:
        header = GgufHeader.from_file(str(source))
        end = max(header.data_start + tensor.offset + tensor.nbytes for tensor in header.tensors)
    except Exception as error:  # bytes of anybody's: struct.error, UnicodeDecodeError, MemoryError ...
        raise SycoError(f"{source.name} is damaged or cut off: {first_line(error)}", "Fetch the file again") from error
    if end > (size := source.stat().st_size):
        raise SycoError(f"{source.name} is cut off: it has {size:,} of {end:,} bytes", "Fetch the file again")
    return header, {0: "F32", 1: "F16", 30: "BF16"} | GGML_NAME


def _check_room(target: Path, needed: int) -> None:
    here = next(folder for folder in target.absolute().parents if folder.is_dir())
    if (free := shutil.disk_usage(here).free) < needed:
        raise SycoError(
            f"{target}: the model takes {needed:,} bytes, {free:,} are free", "Make room, or name another disk"
        )


def _convert(source: Path, folder: Path, header: Any, dtype: str) -> None:
    import torch
    from tqdm import tqdm
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils
    from transformers.utils.quantization_config import GgufConfig

    modeling_gguf_pytorch_utils.tqdm = partial(tqdm, disable=None)  # a bar on a terminal alone
    alone = {"gguf_file": "model.gguf", "local_files_only": True, "trust_remote_code": False}
    with tempfile.TemporaryDirectory() as empty, architectures.quiet():
        # In a folder of its own: transformers takes what lies beside the file for the model's.
        (Path(empty) / "model.gguf").symlink_to(source.absolute())
        try:
            config = AutoConfig.from_pretrained(empty, **alone)
            architectures.check_layers(source.name, json.loads(config.to_json_string()), len(header.tensors))
            loaded, info = AutoModelForCausalLM.from_pretrained(
                empty, dtype=getattr(torch, dtype), attn_implementation=None, output_loading_info=True,
                quantization_config=GgufConfig(dequantize=True), **alone,
            )  # fmt: skip
            tokenizer = AutoTokenizer.from_pretrained(empty, **alone)
        except SycoError:
            raise
        except Exception as error:  # an architecture that it does not know ends it anywhere
            raise SycoError(
                f"{source.name}: transformers {version('transformers')} cannot read a GGUF file of architecture "
                f"'{header.architecture}': {first_line(error)}",
                "Take the model's own folder of safetensors",
            ) from error
    _refuse_gaps(source.name, loaded, info, header)
    try:
        fresh = _unmarked(loaded)
    except RuntimeError as error:  # torch compares the shapes, transformers does not
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise SycoError(
            f"{source.name}: its tensors are not those of its own configuration: {lines[-1]:.300}",
            "Fetch the file again",
        ) from error
    fresh.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _refuse_gaps(name: str, loaded: Any, info: dict[str, Any], header: Any) -> None:
    """Refuses a file that lacks weights, or has some that the architecture does not take up."""
    if missing := sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}):
        raise SycoError(f"{name}: {missing[0]} of {type(loaded).__name__} is not in the file ({len(missing)} missing)")
    sizes = {tensor.name: prod(tensor.shape) for tensor in header.tensors}
    if missing := sum(sizes.values()) - sum(parameter.numel() for parameter in loaded.parameters()):
        left = next((tensor for tensor, size in sizes.items() if size == missing), "a tensor")
        raise SycoError(
            f"{name}: transformers {version('transformers')} leaves out {left} of its weights ({missing:,} numbers)",
            "Take the model's own folder of safetensors",
        )


def _unmarked(loaded: Any) -> Any:
    """The same weights in a model that carries no mark of a quantisation, which could not be saved."""
    import torch

    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        fresh = type(loaded)(config)
    fresh.load_state_dict(loaded.state_dict(), assign=True)
    fresh.tie_weights()
    fresh.generation_config = loaded.generation_config
    return fresh


def _check(name: str, folder: Path) -> None:
    """As every loader will."""
    models.check_complete(name, folder)
    architectures.check(name, folder)
    has_template = (folder / "chat_template.jinja").is_file()
    Tokenizer(folder, "chat" if has_template else "plain").check()
    json.loads((folder / "generation_config.json").read_bytes())
