"""The records themselves, and the commands that show, compare and pin them."""

import sys
from pathlib import Path

import pytest
import yaml

from syco_data import __main__ as command_line
from syco_data.errors import SycoError
from syco_data.hub import lock
from syco_data.sources import PUBLISHED_POOL, SOURCES
from tests.support import repositories

ROOT = Path(__file__).resolve().parents[2]
TREC, SST2, QQP = SOURCES["trec"], SOURCES["sst2"], SOURCES["qqp"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in a folder with params of its own; returns (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("SYCO_SOURCES", raising=False)
    set_params(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["syco-data", "sources", *arguments])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


def set_params(folder, **acquire):
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["acquire"] |= acquire
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def test_the_table_of_sources_is_the_published_one():
    assert len(SOURCES) == 17 and PUBLISHED_POOL == 1_736_834
    for source in SOURCES.values():
        spellings = [name for label in source.labels for name in label.upstream]
        assert len(spellings) == len(set(spellings)) and len(source.labels) >= 2
        assert source.train != source.held_out and source.unique_inputs <= source.train_rows
        assert source.label_column not in source.text_columns and source.attribution


def test_labels_that_differ_between_sources_by_number_are_kept_apart():
    first = {key: SOURCES[key].wording_of(0) for key in ("rte", "wnli", "qnli", "mnli")}
    assert first == {"rte": "Entailment", "wnli": "Not Entailment", "qnli": "Entailment", "mnli": "Entailment"}
    assert SOURCES["cb"].wording_of(1) == SOURCES["mnli"].wording_of(2) == "Contradiction"
    assert SOURCES["trec"].label_column == "coarse_label"
    assert SOURCES["qnli"].text_columns == ("sentence", "question")


def test_the_list_shows_every_source_within_80_columns(run):
    code, out, _ = run("list")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    for source in SOURCES.values():
        assert source.key in words and source.hub_id in words and f"{source.unique_inputs:,}" in words
    assert "1,736,834" in words


def test_one_record_is_shown_in_full(run):
    code, out, _ = run("list", "tweet_offensive")
    words = " ".join(out.split())
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    for part in ("non-offensive or not-offensive", "Inoffensive", "Zampieri et al. 2019", "11,916", "validation"):
        assert part in words


@pytest.mark.parametrize("command", ["list", "check", "lock"])
def test_an_unknown_source_ends_with_2_and_one_line(run, command):
    code, _, err = run(command, "treck")
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert "there is no 'treck'; did you mean 'trec'? Valid: sst2" in err


def test_synthetic_rows_agree_with_all_records(run):
    code, out, _ = run("check")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    assert out.count("agrees") == 17 and "differs" not in out


def test_a_reordering_upstream_is_shown_side_by_side_with_exit_code_1(run, tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    table = repositories.split_table(TREC, "train", 40, ["DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"])
    repositories.save(root / "CogComp__trec/default/train.parquet", table)
    set_params(tmp_path, origin="directory", directory=str(root))
    code, out, err = run("check", "trec")
    assert code == 1 and "1 of 1 sources differ from their records: trec" in err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "0 Abbreviation ABBR ABBR DESC differs" in lines
    assert "1 Entity ENTY ENTY ENTY" in lines
    assert any(line.startswith("label names differ in") for line in lines)


def test_every_difference_is_shown_not_the_first_alone(run, tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    table = repositories.split_table(TREC, "train", 40, repositories.names_of(TREC))
    repositories.save(root / "CogComp__trec/default/train.parquet", table.drop(["text", "coarse_label"]))
    (root / "CogComp__trec/default/test.parquet").write_bytes(b"PAR1 and no more")
    set_params(tmp_path, origin="directory", directory=str(root))
    code, out, _ = run("check", "trec")
    words = " ".join(out.split())
    assert code == 1 and max(map(len, out.splitlines())) <= 80
    for part in ("column 'text' is missing", "column 'coarse_label' is missing", "cannot be read", "a whole Parquet"):
        assert part in words


def test_sources_that_are_not_there_differ_and_others_are_still_compared(run, tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    set_params(tmp_path, origin="directory", directory=str(root))
    code, out, err = run("check", "trec", "sst2")
    assert code == 1 and "1 of 2 sources differ from their records: sst2" in err
    words = " ".join(out.split())
    assert "trec 40 5,452 10 0 agree agrees" in words and "sst2 - 67,349 - - - differs" in words
    assert "has no folder stanfordnlp__sst2" in words


def test_text_of_upstream_cannot_steer_the_terminal(run, tmp_path):
    root = repositories.root_with(tmp_path, SST2)
    table = repositories.split_table(SST2, "train", 40, ["\x1b[31mnegative", "[bold]positive[/bold]"])
    repositories.save(root / "stanfordnlp__sst2/default/train.parquet", table)
    set_params(tmp_path, origin="directory", directory=str(root))
    code, out, err = run("check", "sst2")
    assert code == 1 and "\x1b[31m" not in out + err
    assert "[bold]positive[/bold]" in out and "\\x1b[31mnegative" in out


def test_counts_other_than_published_are_not_a_difference(run, tmp_path):
    set_params(tmp_path, origin="directory", directory=str(repositories.root_with(tmp_path, QQP)))
    code, out, _ = run("check", "qqp")
    assert code == 0 and "363,846" in out


def answers(monkeypatch, commits):
    """The Hub's resolver replaced by a table; the questions asked."""
    requests = []

    def commit_of(named, revision, retry):
        requests.append((named.repository, revision))
        if revision not in commits:
            raise SycoError(f"{named.key}: no revision '{revision}'", "Pin another")
        return commits[revision]

    monkeypatch.setattr(lock, "commit_of", commit_of)
    return requests


def test_lock_writes_commits_and_shows_what_changed(run, tmp_path, monkeypatch):
    commits = {"main": "ab" * 20, "refs/convert/parquet": "cd" * 20}
    requests = answers(monkeypatch, commits)
    code, out, _ = run("lock")
    assert code == 0 and "17 of 17 revisions changed in params.yaml" in out
    assert len(requests) == len(set(requests)) == len({source.hub_id for source in SOURCES.values()})
    sources = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))["sources"]
    assert {choice["revision"] for key, choice in sources.items() if key != "trec"} == {"ab" * 20}
    assert sources["trec"]["revision"] == "cd" * 20 and max(map(len, out.splitlines())) <= 80


def test_lock_of_one_source_leaves_the_others(run, tmp_path, monkeypatch):
    answers(monkeypatch, {"main": "ab" * 20, "v2": "ef" * 20, "ef" * 20: "ef" * 20})
    assert run("lock", "sst2", "--revision", "v2")[0] == 0
    sources = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))["sources"]
    assert sources["sst2"]["revision"] == "ef" * 20 and sources["cola"]["revision"] == "main"
    code, out, _ = run("lock", "sst2")
    assert code == 0 and "(the same)" in out and "0 of 1 revision changed" in out


def test_a_lock_that_fails_for_one_source_changes_nothing(run, tmp_path, monkeypatch):
    answers(monkeypatch, {"main": "ab" * 20})
    before = (tmp_path / "params.yaml").read_bytes()
    code, _, err = run("lock")
    assert code == 2 and "sources.trec.revision: no revision 'refs/convert/parquet'" in err
    assert (tmp_path / "params.yaml").read_bytes() == before
    code, _, err = run("lock", "--revision", "main")
    assert code == 2 and "--revision needs the sources it is for" in err
