"""Stage report: one page about the whole build, its figures as files, six lines for the terminal."""

from stages import Summary, run
from stages.folders import ANSWERS, CHECKS, PROBES, PROMPTS, RELEASE, RESULTS, TUNING, VERDICTS
from syco_data.progress import counted
from syco_data.report import evidence, report
from syco_data.settings import Settings
from syco_data.validate import findings


def main(settings: Settings) -> Summary:
    places = evidence.Places(
        answers=ANSWERS,
        verdicts=VERDICTS,
        tuning=TUNING,
        prompts=PROMPTS / "prompts.parquet",
        probes=PROBES / "probes.parquet",
        checks=CHECKS / findings.CHECKS,
        audit=CHECKS / findings.AUDIT,
        release=RELEASE,
    )
    page = report.build(evidence.read(places, settings), settings)
    report.write(page, RESULTS)
    return Summary(None, f"{RESULTS / report.PAGE} with {counted(len(page.drawings), 'figure')}")


if __name__ == "__main__":
    run(main)
