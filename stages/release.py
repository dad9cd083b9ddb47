"""Stage release: exactly what the Hub will show, below data/release/."""

from pathlib import Path

import yaml

from stages import run
from stages.folders import CHECKS, CLAIMS, PROBES, PROMPTS, RAW, RELEASE, TRAIN, VERDICTS
from syco_data import cardfacts, environment, provenance, release
from syco_data.configs import Tables
from syco_data.settings import Settings

STAGES = ("acquire", "claims", "prompts", "probes", "reference", "filter", "select", "validate", "release")


def main(settings: Settings) -> None:
    made = release.Build(
        tables=tables(settings),
        reports=CHECKS,
        provenance={
            key: provenance.read(RAW / key / "provenance.json")
            for key, choice in settings.sources.items()
            if choice.licence != "exclude"
        },
        models={name: cardfacts.model_record(VERDICTS / name) for name in settings.build.models},
        git=environment.git(Path(), code()),
    )
    release.build(made, settings, RELEASE)


def tables(settings: Settings) -> Tables:
    """Where the graph's tables lie."""
    models = settings.build.models
    arms = [(model, arm) for model in models for arm in settings.build.arms]
    return Tables(
        claims=CLAIMS / "claims.parquet",
        dropped_rows=CLAIMS / "dropped.parquet",
        prompts=PROMPTS / "prompts.parquet",
        not_sampled=PROMPTS / "dropped.parquet",
        probes=PROBES / "probes.parquet",
        unused_probes=PROBES / "dropped.parquet",
        verdicts={model: VERDICTS / model / "verdicts.parquet" for model in models},
        train={(model, arm): TRAIN / model / arm / "train.parquet" for model, arm in arms},
        dropped_prompts={(model, arm): TRAIN / model / arm / "dropped.parquet" for model, arm in arms},
    )


def code() -> list[str]:
    """The files of the repository that the stages up to this one declare as their code and settings."""
    graph = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    bodies = [graph[name].get("do", graph[name]) for name in STAGES if name in graph]
    return ["params.yaml", *{dep for body in bodies for dep in body["deps"] if not dep.startswith("data/")}]


if __name__ == "__main__":
    run(main)
