"""Stage publish: the release on the Hub, or a dry run; a receipt below data/publish/."""

from pathlib import Path

from stages import Summary, run
from stages.folders import RECEIPT, RELEASE
from syco_data import files
from syco_data.publish import publishing
from syco_data.settings import Settings


def main(settings: Settings) -> Summary:
    previous = settings.release.previous
    before = None if previous is None else Path(previous)
    outcome = publishing.as_configured(RELEASE, settings.publish, before, settings.hub)
    print("\n".join(outcome.lines()))
    files.write(RECEIPT, outcome.to_json())
    dry = isinstance(outcome, publishing.Plan)
    return Summary(f"version {outcome.version}", "a dry run" if dry else f"published as {outcome.tag}")


if __name__ == "__main__":
    run(main)
