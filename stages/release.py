"""Stage release: exactly what the Hub will show, below data/release/."""

from pathlib import Path

from stages import Summary, run
from stages.folders import CHECKS, CODE, RAW, RELEASE, VERDICTS
from stages.tables import build_tables
from syco_data import modules
from syco_data.acquire import provenance
from syco_data.diff import diffing
from syco_data.filter import model_record
from syco_data.formats import documents
from syco_data.progress import counted
from syco_data.release import environment, release
from syco_data.settings import Settings

STAGES = ("acquire", "claims", "prompts", "probes", "reference", "filter", "select", "validate", "release")


def main(settings: Settings) -> Summary:
    build = release.FinishedBuild(
        tables=build_tables(settings),
        reports=CHECKS,
        provenance={key: provenance.read(RAW / key / "provenance.json") for key in settings.participating()},
        models={name: model_record.read(VERDICTS / name) for name in settings.build.models},
        git=environment.commit_of(Path(), code()),
    )
    built = release.write_release(build, settings, RELEASE, diffing.bump)
    rows = sum(file.as_table.rows for file in built.tables)
    return Summary(counted(rows, "row"), f"version {built.version} with {counted(len(built.tables), 'table')}")


def code() -> set[str]:
    """The files of the repository that make a release: settings, and what the stages up to this one are made of."""
    graph = documents.read_yaml(Path("dvc.yaml"))["stages"]
    declared = {dep for name in STAGES for dep in graph[name].get("do", graph[name])["deps"]}
    imported = {path for name in STAGES for path in modules.listed((CODE / f"{name}.txt").read_text(encoding="utf-8"))}
    return {"params.yaml", *imported, *(dep for dep in declared if not dep.startswith("data/"))}


if __name__ == "__main__":
    run(main)
