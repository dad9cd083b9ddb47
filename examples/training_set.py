"""A training set for a model folder, out of the candidate prompts of a release: those whose claims this model knows.

    python examples/training_set.py data/release ./my-model train.parquet

Run it where params.yaml lies (engine, rule and margins come from there), in the environment that `make setup` makes.
`dvc repro select` does the same for the models of params.yaml, and every later stage with it.
"""

import sys
from pathlib import Path

import polars as pl

from syco_data import select, settings
from syco_data.engines import models, scoring
from syco_data.filter import questions, verdicts


def main(release: str, folder: str, out: str) -> None:
    params = settings.load()
    record = settings.Model(source=folder, revision=None, prompt_style="auto", dtype="auto")
    model = models.resolve("mine", record, Path(folder), params.hub)
    prompts = pl.read_parquet(Path(release, "candidates", "train.parquet"))

    questioned = questions.build(prompts, params.filter, model.style)
    scores = scoring.collect(questions.requests(questioned), model, params.engines).scores
    known = verdicts.decide(questioned, scores, params.filter).table

    claims = prompts.select("claim_id", "label")
    candidates = select.pool(prompts, claims, known, params.seed)
    arm = params.arms["balanced"]
    size = select.matched_size(candidates, [arm], "matched")
    rows = select.train_rows(select.select(candidates, arm, size).kept, prompts, arm)
    rows.write_parquet(out)
    print(f"{out}: {len(rows):,} rows; of {len(prompts):,} candidates the model knows {known['known'].sum():,}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
