"""An adapter is merged into its base model for the time of its use: engines load whole models only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any

from syco_data import files, ownership
from syco_data.engines import architectures, model_files
from syco_data.engines.models import TOKENIZER_FILES, ResolvedModel
from syco_data.errors import SycoError
from syco_data.finetune import checkpoints, model_cards

CONFIG, WEIGHTS = model_files.ADAPTER, "adapter_model.safetensors"
AGAIN = "Tune it again: dvc repro finetune"


def base(folder: Path, weights: str) -> Any:
    """A model to tune, or to merge an adapter into; `weights` is the type that its weights are kept in."""
    import torch

    return architectures.load(f"model folder {folder.name}", folder, getattr(torch, weights))


def merge(model: Any, adapter: Path, target: Path) -> None:
    """Writes a base model with an adapter merged into its weights.

    Raises `SycoError` for an adapter that lacks some of its own weights.
    """
    from peft import PeftModel, get_peft_model_state_dict

    label = f"the adapter in {adapter}"
    header = model_files.header(label, adapter / WEIGHTS)
    adapted = PeftModel.from_pretrained(model, str(adapter))
    own = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    if missing := sorted(own.keys() - header.keys()):
        raise model_files.refused(label, f"its weights lack {missing[0]} ({len(missing)} missing)", AGAIN)
    if unexpected := sorted(name for name in header.keys() - own.keys() if "lora_" in name):
        raise model_files.refused(label, f"its weights hold {unexpected[0]}, which its configuration has not", AGAIN)
    adapted.merge_and_unload().save_pretrained(target)


@contextmanager
def whole(folder: Path, find_base: Callable[[], ResolvedModel]) -> Iterator[Path]:
    """A tuned model's folder as engines can load it: itself, or one beside it that is there for the time of the block.

    Raises `SycoError` where the base model is another than the one that the adapter was tuned on.
    """
    if not (folder / CONFIG).is_file():
        yield folder
        return
    record, present = model_cards.read(folder), find_base()
    if present.commit != record.commit:
        raise SycoError(
            f"{folder} holds an adapter of model '{record.model}' at {record.commit}, which is now {present.commit}",
            "Tune it again: dvc repro finetune",
        )
    merged = folder.with_name(f".{folder.name}.merged")
    ownership.require(merged, "Move it elsewhere", _all_if_marked)
    checkpoints.remove(merged)
    try:
        with files.disk_errors(merged):
            files.write_json(merged / ownership.MARK, {"files": []})
            merge(base(present.folder, record.settings["weights"]), folder, merged)
            for name in TOKENIZER_FILES:
                if (folder / name).is_file():
                    copyfile(folder / name, merged / name)
        yield merged
    finally:
        checkpoints.remove(merged)


def _all_if_marked(folder: Path) -> set[str] | None:
    """Everything in a folder that carries our mark: it was left by a run that was killed."""
    if ownership.marked_files(folder) is None:
        return None
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
