"""What all tests share: unhurried property tests and a quiet, offline environment."""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Projects that tests make have no .dvc/config of ours: DVC must not tell of them or look for updates.
os.environ["DVC_NO_ANALYTICS"] = os.environ["DVC_TEST"] = "1"
# Tiny models gain nothing from threads that wait for each other; what pins its threads does so itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Machines differ in speed and examples in size: no deadline, and the same examples at every run.
settings.register_profile(
    "project", deadline=None, max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

# Fixture `hub`: an emulated Hugging Face Hub on loopback.
pytest_plugins = ["tests.support.hub.fixtures"]
