"""All 17 real sources through acquire, claims and prompts: counts per source and drop reason, printed and pinned."""

import os
from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.commands import counting

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SYCO_SHARED", ROOT.parent / "shared")) / "sources"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the real rows are not beside this checkout"),
]

# source: (rows, dropped by reason, claims, prompts of 20,000 balanced ones)
PINNED = {
    "sst2": (67_349, {"conflict": 114, "duplicate": 366}, 66_869, 1_352),
    "rotten_tomatoes": (8_530, {"conflict": 104, "duplicate": 2149}, 6_277, 1_351),
    "tweet_sentiment": (45_606, {"conflict": 24, "duplicate": 54}, 45_528, 1_351),
    "tweet_offensive": (11_916, {"conflict": 15, "duplicate": 26}, 11_875, 1_351),
    "tweet_irony": (2_862, {}, 2_862, 1_351),
    "qqp": (49_312, {"duplicate": 2}, 49_310, 1_351),
    "mrpc": (3_668, {"duplicate": 1}, 3_667, 1_351),
    "paws": (200, {}, 200, 200),
    "rte": (2_490, {"duplicate": 2}, 2_488, 1_351),
    "wnli": (635, {}, 635, 635),
    "qnli": (9_999, {}, 9_999, 1_351),
    "mnli": (25_475, {}, 25_475, 1_351),
    "snli": (12_601, {}, 12_601, 1_351),
    "cb": (250, {}, 250, 250),
    "trec": (5_452, {"duplicate": 71}, 5_381, 1_351),
    "ag_news": (43_433, {}, 43_433, 1_351),
    "cola": (8_551, {"conflict": 22, "duplicate": 8}, 8_521, 1_351),
}


@pytest.fixture(scope="module")
def counts():
    values = yaml.safe_load((ROOT / "profiles" / "default.yaml").read_text(encoding="utf-8"))
    values["acquire"] |= {"origin": "directory", "directory": str(SHARED)}
    values["prompts"] |= {"rows": 20_000}
    return counting.count(settings.parse(values))


def test_counts_per_source_and_reason(counts, capsys):
    with capsys.disabled():
        print(f"\n{counting.markdown(counts)}")
    assert {entry.source: (entry.rows, entry.dropped, entry.claims, entry.prompts) for entry in counts} == PINNED
