"""Weights against the architecture that config.json names: whatever transformers would make up or leave out is refused.

The comparison is transformers' own loading, with its renamed, fused and tied tensors, on the `meta` device: names and
shapes come from the headers of the files. The weights themselves are read only to see that they are finite numbers.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import product, zip_longest
from math import prod
from pathlib import Path
from typing import Any

from syco_data.engines import model_files
from syco_data.engines.model_files import Tensor, refused
from syco_data.errors import SycoError, first_line

# Read by transformers when it is imported: no kernel, which is code of others, is fetched for any model.
os.environ["USE_HUB_KERNELS"] = "NO"
FLOATS = ("F64", "F32", "F16", "BF16", "F8_")
WIDE = ("F64", "F32", "F16", "BF16")
MOST = 1_000_000  # tensors of a series
# Constants that the first checkpoints of GPT-2, GPT-J, GPT-Neo and CodeGen kept beside their weights: which positions a
# token sees (1 x 1 x longest text x longest text), and what is put in place of the others (one number).
MASKS = re.compile(r".*\.(self_)?(attn|attention)\.(bias|causal_mask|masked_bias)")
LAYERS = re.compile(r"(num_(hidden_|decoder_|encoder_)?|n_?|decoder_|encoder_)layers?")


def can_check() -> bool:
    """Whether the libraries that know architectures are installed here."""
    return all(find_spec(name) for name in ("torch", "transformers"))


def check(label: str, folder: Path) -> None:
    """Compares the tensors of a folder with its architecture; `label` says which model in errors.

    Raises `SycoError` with the first missing, unexpected or mis-shaped tensor.
    """
    tensors = model_files.tensors(label, folder)
    check_layers(label, model_files.read_json(label, folder / "config.json"), len(tensors))
    with _one_line(label, "built from config.json", _gap(tensors)), quiet():
        model, info = _on_meta(folder, tensors)
    _refuse(label, type(model).__name__, tensors, info)
    _check_types(label, model, tensors)
    _check_tied(label, folder, model, tensors)
    _check_finite(label, folder, tensors)


def load(label: str, folder: Path, dtype: Any) -> Any:
    """The model with its own weights, in evaluation mode; `dtype` is torch's, or "auto". Raises as `check` does."""
    check(label, folder)
    from transformers import AutoModelForCausalLM

    with _one_line(label, "loaded"), quiet():
        model, info = AutoModelForCausalLM.from_pretrained(
            folder, config=_config(folder), dtype=dtype, use_safetensors=True, output_loading_info=True, **_OWN
        )
    _refuse(label, type(model).__name__, model_files.tensors(label, folder), info)
    return model


# attn_implementation: what config.json asks for may be a kernel that is fetched from the Hub and run.
_OWN = {"trust_remote_code": False, "local_files_only": True, "attn_implementation": None}


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _on_meta(folder: Path, tensors: dict[str, Tensor]) -> tuple[Any, dict[str, Any]]:
    """The architecture without memory for its weights, and what transformers says of loading these tensors into it."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(_config(folder), trust_remote_code=False, attn_implementation=None)
    weights = {name: torch.empty(tensor.shape, device="meta") for name, tensor in tensors.items()}
    return type(empty).from_pretrained(
        None, config=empty.config, state_dict=weights, device_map="meta", dtype=torch.float32,
        ignore_mismatched_sizes=True, output_loading_info=True, **_OWN,
    )  # fmt: skip


def check_layers(label: str, config: dict[str, Any], tensors: int) -> None:
    """Before anything is built: each layer has a tensor at least, and a number of layers is a slip or an attack."""
    for _, key, value in model_files.walk(config):
        if LAYERS.fullmatch(key) and isinstance(value, int) and value > tensors:
            raise refused(label, f"its configuration says {key}: {value:,}, the weights have {tensors:,} tensors")


def _refuse(label: str, architecture: str, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    missing = _sorted(info["missing_keys"])
    unexpected = _sorted(name for name in info["unexpected_keys"] if not _is_mask(name, tensors))
    shapes = {name: (stored, own) for name, stored, own in info["mismatched_keys"]}
    if missing:
        other = f", and hold {unexpected[0]}, which it does not have" if unexpected else ""
        raise refused(
            label,
            f"the weights lack {missing[0]} of {architecture} ({len(missing)} missing){other}",
            _hint(missing, unexpected),
        )
    if shapes:
        name = _sorted(shapes)[0]
        if name not in tensors and (gap := _gap(tensors)):  # one of the tensors that are fused into it
            raise refused(label, f"the weights lack {gap} of {architecture}")
        stored, own = (list(shape) for shape in shapes[name])
        raise refused(
            label, f"{name} has shape {stored}, {architecture} has {own} by config.json ({len(shapes)} differ)"
        )
    if unexpected:
        raise refused(
            label,
            f"the weights hold {unexpected[0]}, which {architecture} does not have by config.json "
            f"({len(unexpected)} unexpected)",
        )
    if info["error_msgs"]:
        raise refused(label, f"transformers: {info['error_msgs'][0]}")


def _is_mask(name: str, tensors: dict[str, Tensor]) -> bool:
    """Whether a tensor is one of `MASKS`, by name and shape."""
    if not (MASKS.fullmatch(name) and name in tensors):
        return False
    shape = tensors[name].shape
    return prod(shape) == 1 or (len(shape) == 4 and shape[:2] == (1, 1) and shape[2] == shape[3])


def _hint(missing: list[str], unexpected: list[str]) -> str:
    for name in unexpected:
        if any(name.endswith(own) for own in missing):
            return "Save the model itself again, without the compiler or wrapper around it"
    return "Fetch or save the model again"


def _check_types(label: str, model: Any, tensors: dict[str, Tensor]) -> None:
    """Integers under a parameter's name are quantised weights without their scales."""
    own = {name for name, _ in model.named_parameters()}
    last = {name.rpartition(".")[2] for name in own}
    for name, tensor in tensors.items():
        if tensor.dtype.startswith(FLOATS):
            continue
        if name in own or (name.rpartition(".")[2] in last and any(one.endswith(f".{name}") for one in own)):
            raise refused(label, f"{name} is stored as {tensor.dtype}: weights are floating-point numbers")


def _check_tied(label: str, folder: Path, model: Any, tensors: dict[str, Tensor]) -> None:
    """Two tensors that are one by config.json and differ in the files: engines would take one or the other."""
    import torch
    from safetensors import safe_open

    def stored(name: str) -> torch.Tensor:
        with safe_open(folder / tensors[name].file, framework="pt") as file:
            return file.get_tensor(name)

    for name, source in model.all_tied_weights_keys.items():
        if name in tensors and source in tensors and not torch.equal(stored(name), stored(source)):
            raise refused(
                label, f"{name} and {source} are one by config.json, and differ in the weights",
                "Set tie_word_embeddings to false in its config.json, if the weights are right",
            )  # fmt: skip


def _check_finite(label: str, folder: Path, tensors: dict[str, Tensor]) -> None:
    """Refuses weights that are NaN or infinite: every score of such a model is, or some. Reads all weights once."""
    from safetensors import safe_open

    for file in sorted({tensor.file for tensor in tensors.values()}):
        with safe_open(folder / file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118  (not a mapping)
                if tensors[name].dtype not in WIDE or not prod(tensors[name].shape):
                    continue
                values = weights.get_tensor(name)
                if not all(bound.isfinite() for bound in values.aminmax()):  # NaN and infinity come through
                    broken = int((~values.isfinite()).sum())
                    raise refused(label, f"{name} has {broken:,} of {values.numel():,} numbers that are not finite")


def _gap(tensors: Iterable[str]) -> str | None:
    """A tensor that is missing from a series: what layers or experts have, and one of them has not."""
    series: dict[str, set[tuple[str, ...]]] = {}
    for name in tensors:
        series.setdefault(re.sub(r"\d+", "#", name), set()).add(tuple(re.findall(r"\d+", name)))
    for pattern, numbers in series.items():
        if len(numbers) < prod(len(set(column)) for column in zip(*numbers, strict=True)) < MOST:
            whole = product(*({*column} for column in zip(*numbers, strict=True)))
            names = (_numbered(pattern, one) for one in whole if one not in numbers)
            return _sorted(names)[0]
    return None


def _numbered(pattern: str, numbers: tuple[str, ...]) -> str:
    return "".join(part for pair in zip_longest(pattern.split("#"), numbers, fillvalue="") for part in pair)


def _sorted(names: Iterable[str]) -> list[str]:
    """In the order of the layers: 2 before 10."""
    return sorted(names, key=lambda name: re.sub(r"\d+", lambda number: number[0].zfill(9), name))


@contextmanager
def _one_line(label: str, deed: str, gap: str | None = None) -> Iterator[None]:
    """A configuration of nonsense may raise anything; tensors that cannot be fused are described by their `gap`."""
    try:
        yield
    except SycoError:
        raise
    except Exception as error:
        if gap and "conversion" in str(error):
            raise refused(label, f"the weights lack {gap}") from error
        raise refused(label, f"cannot be {deed} by transformers: {first_line(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own tables and bars: what they say is an error here."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
