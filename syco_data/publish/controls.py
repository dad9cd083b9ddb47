"""Negative controls are not published by mistake: training sets and models that follow the user."""

from pathlib import Path

from syco_data.errors import SycoError
from syco_data.finetune import model_cards
from syco_data.release import manifest

ALLOW = "If that is what you want: --allow-sycophantic, or publish.sycophantic: true for stage publish"


def check(folder: Path, allowed: bool) -> None:
    """Refuses a folder that holds either of them, whatever it is published as."""
    if (folder / manifest.NAME).exists():
        check_release(folder, allowed)
    check_model(folder, allowed)


def check_release(folder: Path, allowed: bool) -> None:
    """Refuses a release that holds a training set whose completions follow the user."""
    controls = manifest.read(folder).controls
    if controls and not allowed:
        raise SycoError(
            f"release {folder} holds {controls[0]!r}, a negative control: a model tuned on it becomes a sycophant",
            f"Take the arm out of build.arms. {ALLOW}",
        )


def check_model(folder: Path, allowed: bool) -> None:
    """Refuses a model that was tuned to follow the user; a folder without a record of tuning is another's business."""
    if allowed or not (folder / model_cards.RECORD).exists():
        return
    record = model_cards.read(folder)
    if record.condition.get("answers") == "user":
        raise SycoError(
            f"model {folder} is a negative control: arm '{record.arm}' taught it to follow the user, right or wrong",
            ALLOW,
        )
