"""Stage report: one page about the whole build, its figures as files, six lines for the terminal."""

from stages import run
from stages.folders import ANSWERS, CHECKS, PROBES, PROMPTS, RELEASE, RESULTS, TUNING, VERDICTS
from syco_data.report import evidence, report
from syco_data.settings import Settings
from syco_data.validate import findings


def main(settings: Settings) -> None:
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
    report.write(report.build(evidence.read(places, settings), settings), RESULTS)


if __name__ == "__main__":
    run(main)
