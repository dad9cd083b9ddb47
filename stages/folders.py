"""Where the graph keeps its outs: the only place where a folder of `data/` is spelled."""

from pathlib import Path

DATA = Path("data")
RAW = DATA / "raw"
CLAIMS = DATA / "claims"
PROMPTS = DATA / "prompts"
PROBES = DATA / "probes"
REFERENCE = DATA / "reference"
VERDICTS = DATA / "verdicts"
TRAIN = DATA / "train"
CHECKS = DATA / "reports" / "checks"
RESULTS = DATA / "reports" / "results"
RELEASE = DATA / "release"
RECEIPT = DATA / "publish" / "receipt.json"
TUNED = DATA / "tuned"
ANSWERS = DATA / "answers"
