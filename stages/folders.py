"""Where the graph keeps its outs; where the tables lie in them is said by `syco_data.build`."""

from pathlib import Path

DATA = Path("data")
CODE = DATA / "code"
RAW = DATA / "raw"
PROMPTS = DATA / "prompts"
PROBES = DATA / "probes"
VERDICTS = DATA / "verdicts"
FILTRATION = DATA / "reports" / "filter"
TRAIN = DATA / "train"
CHECKS = DATA / "reports" / "checks"
RESULTS = DATA / "reports" / "results"
RELEASE = DATA / "release"
RECEIPT = DATA / "publish" / "receipt.json"
TUNED = DATA / "tuned"
TUNING = DATA / "reports" / "tuning"
ANSWERS = DATA / "answers"
EVALUATION = DATA / "reports" / "evaluate"
CHECKPOINTS = Path(".checkpoints")
"""States of trainings, outside of the outs that DVC removes before a stage runs."""
