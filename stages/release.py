"""Stage release: exactly what the Hub will show, below data/release/."""

from pathlib import Path

import yaml

from stages import run
from stages.folders import CHECKS, RAW, RELEASE, VERDICTS
from stages.tables import tables
from syco_data import model_record
from syco_data.origins import provenance
from syco_data.releasing import environment, release
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
        models={name: model_record.read(VERDICTS / name) for name in settings.build.models},
        git=environment.git(Path(), code()),
    )
    release.build(made, settings, RELEASE)


def code() -> list[str]:
    """The files of the repository that the stages up to this one declare as their code and settings."""
    graph = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    bodies = [graph[name].get("do", graph[name]) for name in STAGES if name in graph]
    return ["params.yaml", *{dep for body in bodies for dep in body["deps"] if not dep.startswith("data/")}]


if __name__ == "__main__":
    run(main)
