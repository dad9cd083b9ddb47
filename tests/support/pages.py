"""The pages of docs/ that are made from the code: `python -m tests.support.pages` writes them."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import syco_data
from syco_data import build, schemas
from syco_data.diff.records import Diff
from syco_data.publish.pulling import Pulled
from syco_data.release.verification import Problem, Verified
from syco_data.schemas import Schema

DOCS = Path(__file__).resolve().parents[2] / "docs"

API = """# From Python

What `pip install .` brings and a notebook imports. Everything else below `syco_data` may change with any version. Every
function raises `SycoError`: one line that says what happened, where, and which command or edit helps. (This page is
made from the docstrings by `python -m tests.support.pages`; [`examples/`](../examples) has programs that use it.)

```python
from pathlib import Path

from syco_data import Address, diff_releases, load_release, pull, verify

rows = load_release("OWNER/NAME", "1.0.0")["train"]
pull(Address.parse("OWNER/NAME@1.0.0"), Path("before"))
assert not verify(Path("before")).problems
diff_releases("before", "data/release").to_json()
```
"""
RESULTS = (syco_data.Address, Pulled, Verified, Problem, Diff)

DATA = """# What lies where in `data/`

One folder per stage, made by `dvc repro` and named in `dvc.yaml`. Tables are Parquet, sorted by their key, which is
the first column or columns; `tables.read` and `tables.write` check them against `syco_data/schemas.py`. (This page is
made from there by `python -m tests.support.pages`.)
"""
ROWS = {
    "raw": "a row of a source, as it came",
    "claims": "a claim: an input, a label, and whether the label is right",
    "dropped_rows": "a row that became no claim, and why",
    "prompts": "a candidate prompt: a claim, a user with an opinion, an order of the options",
    "not_sampled": "a claim that became no prompt",
    "probes": "a question of the evaluation",
    "unused_probes": "a held-out row that became no probe, and why",
    "verdicts": "what a model answered to a stripped prompt, and whether it knows the claim",
    "train": "a training row of a model and an arm",
    "dropped_prompts": "a prompt that an arm leaves out, and why",
}
ANSWERS = {
    "answers": (schemas.ANSWERS, "an answer to a probe"),
    "capability": (schemas.CAPABILITY, "an answer to a question of MMLU or BIG-Bench Hard"),
    "metrics": (schemas.METRICS, "a figure with its interval"),
    "comparisons": (schemas.COMPARISONS, "a figure before and after tuning"),
    "published": (schemas.PUBLISHED, "a figure of the paper beside ours"),
}
OTHERS = """
## Everything else

| where | what |
|---|---|
| `code/` | for each stage the modules behind it and their digests: it runs again when one of them changes |
| `reference/` | the reference model |
| `tuned/{model}/{arm}/` | a tuned model with its card; `training.parquet` is its log |
| `release/` | what the Hub shows: the [card](publish.md) lists its configs and columns |
| `publish/receipt.json` | what was published, or would be |
| `reports/{stage}/` | metrics, checks, and `results/`, the report |
"""


def api() -> str:
    functions = [getattr(syco_data, name) for name in syco_data.__all__ if inspect.isfunction(getattr(syco_data, name))]
    return "\n".join([API, *map(_function, functions), "## What they take and return\n", *map(_class, RESULTS)])


def data() -> str:
    lines = ["## Tables\n", "| where | one row is | columns |", "|---|---|---|"]
    for name, kind in build.KINDS.items():
        columns = _columns(kind.schema) if kind.schema else "`split`, `row`, the texts of the source, `label`"
        lines.append(f"| `{kind.file}` | {ROWS[name]} | {columns} |")
    for name, (schema, row) in ANSWERS.items():
        lines.append(f"| `answers/{{model}}/{{arm}}/{name}.parquet` | {row} | {_columns(schema)} |")
    return "\n".join([DATA, *lines, OTHERS]).rstrip("\n") + "\n"


def _columns(schema: Schema) -> str:
    return ", ".join(f"`{name}`" for name in schema.columns)


def _function(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = ", ".join(map(_parameter, signature.parameters.values()))
    call = f"{function.__name__}({parameters}) -> {_annotation(signature.return_annotation)}"
    return f"## {function.__name__}\n\n```python\n{call}\n```\n\n{inspect.getdoc(function)}\n"


def _class(kind: Any) -> str:
    pydantic = getattr(kind, "model_fields", {})
    types = {name: field.annotation for name, field in pydantic.items()} or {one.name: one.type for one in fields(kind)}
    listed = ", ".join(f"`{name}: {_annotation(annotation)}`" for name, annotation in types.items())
    return f"### {kind.__name__}\n\n{inspect.getdoc(kind)}\n\nFields: {listed}\n"


def _parameter(parameter: inspect.Parameter) -> str:
    text = f"{parameter.name}: {_annotation(parameter.annotation)}"
    if parameter.default is inspect.Parameter.empty:
        return text
    plain = parameter.default is None or isinstance(parameter.default, str | int | float)
    return f"{text} = {parameter.default!r}" if plain else f"{text} = ..."


def _annotation(annotation: Any) -> str:
    """A type without the modules that it lies in."""
    text = annotation.strip("'\"") if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"(\w+\.)+(?=\w)", "", text)


PAGES = {"api.md": api, "data.md": data}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (DOCS / name).write_text(render(), encoding="utf-8")
