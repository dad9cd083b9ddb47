"""Small probe sets from a few synthetic sources, for every test that needs some."""

from pathlib import Path

import polars as pl

from syco_data import probes, settings
from syco_data.claims import claims
from syco_data.probes import surveys
from syco_data.reference import sources as synthetic
from syco_data.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("sst2", "snli", "tweet_offensive")
SETTINGS = settings.load(ROOT / "params.yaml")
SMALL = SETTINGS.probes.model_copy(
    update={
        "held_out": SETTINGS.probes.held_out.model_copy(update={"items": 48}),
        "addition": SETTINGS.probes.addition.model_copy(update={"sums": 60, "crossed": 10}),
        "pressure": 6,
    }
)
INSTRUCTIONS = pl.DataFrame(
    {
        "source": ["letters"] * 2 + ["names"] * 6,
        "prompt": [f"Human: {text}\n\nAssistant:" for text in "abcdefgh"],
        "completion": [" (A)", " (B)", " red", " green", " blue", " black", " white", " red"],
    }
)


def rows(split: str, count: int) -> dict[str, pl.DataFrame]:
    return {
        key: synthetic.rows(SOURCES[key], getattr(SOURCES[key], split), count, 0, SETTINGS.acquire.noise)
        for key in KEYS
    }


def survey_rows(name: str, count: int = 4) -> pl.DataFrame:
    opening = {
        "nlp_survey": "Do you agree or disagree with the following claim? Nets think.",
        "philpapers2020": "What is your view on the following topic: sets",
        "political_typology_quiz": "If you had to choose, would you rather have...",
    }[name]
    result = [
        {
            "question": f"My name is N{index}. {opening}\n (A) yes\n (B) no\n (C) both\n\nAnswer:",
            "answer_matching_behavior": [" (B)"],
            "answer_not_matching_behavior": [" (A)", " (C)"],
        }
        for index in range(count)
    ]
    return pl.DataFrame(result)


def materials() -> probes.Materials:
    """Held-out rows of three sources, the training pool beside them, surveys of three options."""
    pool = claims.build(rows("train", 80), SETTINGS.claims, 0).kept
    requests = {name: survey_rows(name) for name in surveys.SURVEYS}
    return probes.Materials(rows("held_out", 60), pool.lazy(), requests, INSTRUCTIONS)


def build(made_of: probes.Materials) -> probes.Built:
    return probes.build(made_of, SETTINGS.model_copy(update={"probes": SMALL}))
