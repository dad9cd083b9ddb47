"""From a training set and instruction rows to tokens in training order, audited and counted."""

from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import numpy as np
import polars as pl

from syco_data.engines.models import ResolvedModel
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError
from syco_data.finetune import mixing, token_audit
from syco_data.finetune.instructions import Pool
from syco_data.finetune.mixing import GENERATED, INSTRUCTION
from syco_data.settings import Finetune


@dataclass(frozen=True)
class RowCounts:
    """What was audited and what is trained on. Tokens are of all positions of the run, end tokens included."""

    generated: int
    instruction: int
    instruction_too_long: int
    instruction_left_out: int
    generated_used: int
    instruction_used: int
    share_generated: float
    tokens: int
    target_tokens: int
    longest: int


@dataclass(frozen=True)
class Prepared:
    """`rows`: `row_id`, `part`, `input_ids`, `prompt_tokens`; `order`: their indices in training order, int64."""

    rows: pl.DataFrame
    order: np.ndarray
    counts: RowCounts

    def digest(self) -> str:
        """128 bits over every token that will be trained on, in order."""
        whole = blake2b(self.order.astype("<i8").tobytes(), digest_size=16)
        for ids, prompt in self.rows.select("input_ids", "prompt_tokens").iter_rows():
            whole.update(np.array([prompt, len(ids), *ids], dtype="<i8").tobytes())
        return whole.hexdigest()


def prepare(model: ResolvedModel, train: pl.DataFrame, pool: Pool, choice: Finetune, over_length: str) -> Prepared:
    """Audits every row of the training set and of the pool, and puts `steps * batch` of them in order.

    Within one optimiser step rows stand by length, so that forward passes hold little padding.
    `over_length`: `drop` leaves instructions out that are too long, `stop` refuses them.
    Raises `SycoError` with the first ids of rows that cannot be trained on.
    """
    if model.positions is not None and choice.max_length > model.positions:
        raise SycoError(
            f"finetune.max_length is {choice.max_length}, but model '{model.name}' was built for texts of "
            f"{model.positions} tokens", f"Set it to {model.positions} at most"
        )  # fmt: skip
    tokenizer = Tokenizer(model.folder, model.style)
    generated = _examined(
        tokenizer, choice.max_length, train.rename({"prompt_id": "row_id"}).with_columns(form=pl.lit("transcript"))
    )
    instruction = _examined(tokenizer, choice.max_length, pool.rows.rename({"instruction_id": "row_id"}))
    too_long = instruction.count("too_long") if over_length == "drop" else 0
    kept = instruction.without("too_long") if over_length == "drop" else instruction
    generated.require_sound(GENERATED, _hint_generated)
    kept.require_sound(INSTRUCTION, partial(_hint_instruction, pool))
    return _ordered(generated, kept, pool, too_long, choice)


def _hint_generated(violation: str, row_id: str) -> str:
    if violation == "too_long":
        return "Raise finetune.max_length in params.yaml"
    return f"See one: python -m syco_data show {row_id}"


def _hint_instruction(pool: Pool, violation: str, row_id: str) -> str:
    if violation == "too_long":
        return "Raise finetune.max_length in params.yaml, or set instructions.over_length to drop"
    source = pool.rows.filter(pl.col("instruction_id") == row_id)["source"].first()
    return (
        f"The first is of the file or task {source!r}: correct it there, or choose other rows by "
        "instructions.directory, hub_id or columns in params.yaml"
    )


def _examined(tokenizer: Tokenizer, max_length: int, rows: pl.DataFrame) -> token_audit.Audit:
    return token_audit.examine(tokenizer, token_audit.texts(tokenizer, rows), max_length)


def _ordered(
    generated: token_audit.Audit, instruction: token_audit.Audit, pool: Pool, too_long: int, choice: Finetune
) -> Prepared:
    order = mixing.order(
        generated.rows["row_id"], instruction.rows["row_id"], choice.parts, choice.steps * choice.batch, choice.seed
    )
    parts = [
        generated.rows.with_columns(part=pl.lit(GENERATED)),
        instruction.rows.with_columns(part=pl.lit(INSTRUCTION)),
    ]
    rows = pl.concat(parts).join(order.unique(), on=["part", "row_id"], how="semi", maintain_order="left")
    rows = rows.with_columns(length=pl.col("input_ids").list.len().cast(pl.Int64)).with_row_index("index")
    placed = order.with_row_index("position").join(rows, on=["part", "row_id"], how="left", maintain_order="left")
    by_step = placed.with_columns(step=pl.col("position") // choice.batch).sort("step", "length", "position")
    counts = RowCounts(
        generated=generated.rows.height,
        instruction=instruction.rows.height,
        instruction_too_long=too_long,
        instruction_left_out=int(pool.dropped["rows"].sum()),
        generated_used=rows.filter(pl.col("part") == GENERATED).height,
        instruction_used=rows.filter(pl.col("part") == INSTRUCTION).height,
        share_generated=placed.select((pl.col("part") == GENERATED).mean()).item(),
        tokens=int(placed["length"].sum()),
        target_tokens=int((placed["length"] - placed["prompt_tokens"]).sum()),
        longest=placed.select(pl.max("length")).item(),
    )
    columns = ["row_id", "part", "input_ids", "prompt_tokens"]
    return Prepared(rows.select(columns), by_step["index"].to_numpy().astype(np.int64), counts)
