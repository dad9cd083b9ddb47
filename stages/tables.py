"""Where the graph's tables lie, for the stages that read all of them."""

from stages.folders import CLAIMS, PROBES, PROMPTS, TRAIN, VERDICTS
from syco_data.releasing.configs import Tables
from syco_data.settings import Settings


def tables(settings: Settings) -> Tables:
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
