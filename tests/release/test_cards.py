"""The card: a head that the Hub's reader takes, counts from the build, a hand-written part that survives."""

import os
import time

import pytest
import yaml
from huggingface_hub import DatasetCard

from syco_data.diff import diffing
from syco_data.errors import SycoError
from syco_data.release import cardfacts, cards, manifest, release
from tests.support.tables_for_tests import KEYS, MODEL, shared_build, shared_release


def card() -> str:
    return (shared_release() / "README.md").read_text(encoding="utf-8")


def test_huggingface_hub_reads_the_head():
    data = DatasetCard(card()).data.to_dict()
    assert data["license"] == "other" and data["license_name"] == "per-source"
    assert [config["config_name"] for config in data["configs"] if config.get("default")] == [f"{MODEL}-balanced"]
    assert len(data["source_datasets"]) == len({record.hub_id for record in shared_build().build.provenance.values()})


def test_sizes_in_the_head_are_those_of_the_manifest():
    record = manifest.read(shared_release())
    infos = yaml.safe_load(card().split("---\n")[1])["dataset_info"]
    result = {(info["config_name"], split["name"]): split["num_examples"] for info in infos for split in info["splits"]}
    assert result == {(file.table.config, file.table.split): file.table.rows for file in record.tables}


def test_every_source_is_credited_and_counted():
    build = shared_build()
    counts = {one.source: one for one in cardfacts.source_counts(build.tables, list(KEYS))}
    for key, record in build.build.provenance.items():
        assert record.attribution in card() and f"huggingface.co/datasets/{record.hub_id}" in card()
        assert f"| {key} | {counts[key].candidates:,} |" in card()
    assert sum(one.candidates for one in counts.values()) == build.settings.prompts.rows


def test_keep_rates_are_those_of_the_verdicts():
    rates = cardfacts.keep_rates(shared_build().tables, shared_build().settings.filter)
    assert sum(rate.asked for rate in rates) == shared_build().settings.prompts.rows
    for rate in rates:
        assert (
            f"| {rate.model} | {rate.source} | {rate.asked:,} | {rate.known:,} | {rate.known / rate.asked:.1%} |"
            in card()
        )


def test_the_hand_written_part_survives_a_new_version(tmp_path):
    build = shared_build()
    notes = "Read this first: {{ version }} {% raw %} <b>by hand</b>\n\n- with a list"
    edited = tmp_path / "README.md"
    edited.write_text(card().replace(cards.NOTHING_WRITTEN, notes), encoding="utf-8")
    params = build.settings.model_copy(
        update={"release": build.settings.release.model_copy(update={"card": str(edited)})}
    )
    release.write_release(build.build, params, tmp_path / "release", diffing.bump)
    written = (tmp_path / "release/README.md").read_text(encoding="utf-8")
    assert cards.hand_written(written) == notes
    assert written.replace(notes, cards.NOTHING_WRITTEN) == card()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(cards.END, ""),
        lambda text: text.replace(cards.BEGIN, "@").replace(cards.END, cards.BEGIN).replace("@", cards.END),
        lambda text: text + cards.BEGIN,
    ],
)
def test_broken_fences_are_refused(damage):
    with pytest.raises(SycoError, match="fences"):
        cards.hand_written(damage(card()))


@pytest.mark.parametrize("head", ["license: [other", "license: apache-2.0\nconfigs: []", "- a\n- b"])
def test_a_broken_head_is_refused_with_one_line(head):
    with pytest.raises(SycoError) as caught:
        cards.check(f"---\n{head}\n---\n\n# Title\n")
    assert "\n" not in str(caught.value)


def test_a_missing_card_is_named(tmp_path):
    build = shared_build()
    params = build.settings.model_copy(
        update={"release": build.settings.release.model_copy(update={"card": str(tmp_path / "none.md")})}
    )
    with pytest.raises(SycoError, match=r"none\.md.*release\.card"):
        release.write_release(build.build, params, tmp_path / "release", diffing.bump)


def test_a_head_that_stands_for_itself_a_billion_times_is_refused():
    levels = "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(9))
    bomb = f"---\na0: &a0 [x, x]\n{levels}configs: [*a9]\n---\n"
    with pytest.raises(SycoError, match="holds an alias"):
        list(cards.shown(bomb))


ODD_HEADS = {
    "bool": "license: !!bool x", "timestamp": "license: !!timestamp x", "date": "license: 2026-13-45",
    "digits": "size: " + "9" * 5000, "deep": "a: " + "[" * 5000, "twice": "license: a\nlicense: b", "a list": "- a",
    "alias": "a: &a x\nb: *a", "large": "a: " + "x" * (1 << 20), "object": "a: !!python/name:os.system x",
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_HEADS)
def test_an_odd_head_is_one_line(kind):
    text = f"---\n{ODD_HEADS[kind]}\n---\n\n# Title\n"
    for read in (cards.split, cards.check, lambda card: list(cards.shown(card))):
        with pytest.raises(SycoError, match="YAML head") as refused:
            read(text)
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@pytest.mark.parametrize("megabytes", [1, 2, 4, 10])
def test_a_large_head_is_refused_at_once(tmp_path, megabytes):
    entry = "- {config_name: a, data_files: [{split: train, path: a/train.parquet}]}\n"
    head = "configs:\n" + entry * (megabytes * 1_050_000 // len(entry))
    started = time.monotonic()
    with pytest.raises(SycoError, match=r"at most [\d,]+ are read"):
        cards.split(f"---\n{head}\n---\n\n# Title\n")
    path = tmp_path / "README.md"
    path.write_text(f"---\n{head}\n---\n", encoding="utf-8")
    with pytest.raises(SycoError, match=r"at most [\d,]+ are read"):
        cards.split(cards.read(path))
    assert time.monotonic() - started < 3


def test_a_card_that_is_not_a_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("pipe", "not a regular file"), ("none", "there is no"), (".", "is a directory")):
        with pytest.raises(SycoError, match=message):
            cards.read(tmp_path / name)


def test_a_head_that_could_not_be_read_again_is_not_written():
    with pytest.raises(SycoError, match="at most 1,048,576 are read"):
        cards.joined({"license": "other", "tags": ["x" * (1 << 20)]}, "# Title\n")
