"""Restoring obeys a release's settings only as far as the release is large."""

import copy

import pytest

from syco_data.errors import SycoError
from syco_data.release import manifest, restore
from syco_data.release.restore import Places
from tests.support.tables_for_tests import shared_release

NOWHERE = Places(None, None)
HUGE = {
    "probes.surveys.rows": (10**9, "'probes.surveys.rows': must be at most 100,000"),
    "probes.instructions": (10**9, "'probes.instructions': must be at most 100,000"),
    "probes.pressure": (10**30, "'probes.pressure': must be at most 100,000"),
    "probes.preference": (10**30, "'probes.preference': must be at most 100,000"),
    "prompts.cap": (10**30, "'prompts.cap': must be at most 100,000,000"),
    "prompts.templates": (["x" * 5000], "'prompts.templates.0': has more characters than 100"),
    "probes.held_out.templates": (["../../x"], "'probes.held_out.templates.0': the name of a template is"),
    "probes.held_out.items": (10**23, "'probes.held_out.items': must be at most 100,000"),
    "acquire.noise.odd": (float("inf"), "'acquire.noise.odd': expected a finite number"),
    "claims.max_characters": ("x" * 10**6, "'claims.max_characters': expected a whole number"),
    "prompts.sampling": ({f"s{number}": 0.1 for number in range(5000)}, "'prompts.sampling.*at most 1,000"),
    "acquire.synthetic_rows.train": (900_000, r"'acquire.synthetic_rows' makes [\d,]+ rows, a release of its size can"),
    "probes.surveys.sets": (["nlp_survey"] * 4, "'probes.surveys.sets': has too many entries, at most 3"),
}


def changed(path, value):
    record = manifest.read(shared_release())
    values = copy.deepcopy(record.settings)
    *parents, last = path.split(".")
    place = values
    for name in parents:
        place = place[name]
    assert last in place
    place[last] = value
    return record.model_copy(update={"settings": values})


def recipe(path, value, places=NOWHERE):
    return restore.recipe(changed(path, value), shared_release(), places)


@pytest.mark.parametrize("path", HUGE)
def test_numbers_and_names_of_others_have_the_bounds_of_params(path):
    value, message = HUGE[path]
    with pytest.raises(SycoError, match=f"^the manifest's settings: {message}") as refused:
        recipe(path, value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@pytest.mark.parametrize("key", ["probes.surveys.rows", "probes.instructions"])
def test_what_is_made_is_bounded_by_the_rows_of_the_release(key):
    assert recipe(key, restore.FEW // 3)
    with pytest.raises(SycoError, match=rf"'{key}' makes [\d,]+ rows, a release of its size can have [\d,]+\. Get"):
        recipe(key, 100_000)


def test_rows_of_sources_of_this_machine_are_not_made():
    recipe_read = recipe("acquire.synthetic_rows.train", 900_000, Places("sources", None))
    assert recipe_read.acquire.origin == "directory"
