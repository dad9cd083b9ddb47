"""Manifests that contradict themselves, or were written to do harm: one clear line each, and nothing outside.

Every case goes through the commands that a reader of a stranger's release would use: verify, diff and restore.
"""

import errno
import io
import os
import shutil
import sys
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import yaml

from syco_data.__main__ import main
from syco_data.diff import diffing
from syco_data.diff.diffing import diff_releases
from syco_data.errors import SycoError
from syco_data.release import manifest, release, restore, verification
from tests.support.hub.releases import edit, replace_file
from tests.support.tables_for_tests import Made, copy_of_release, shared_build, shared_release, small_settings

CANDIDATES, CARD, TEMPLATE = "candidates/train.parquet", "README.md", "recipe/templates/plain.jinja"
VERDICTS = "verdicts-tiny/train.parquet"


@cache
def text_free() -> Path:
    """A sound release without texts, as `restore` needs one: read it, copy it, never write to it."""
    target = shared_build().folder.parent / "text-free"
    build = Made(shared_build().folder, small_settings(release={"text": "none"}))
    release.write_release(build.build, build.settings, target, diffing.bump)
    return target


@pytest.fixture
def folder(tmp_path):
    return copy_of_release(tmp_path / "releases" / "release")


def entry(values: dict, path: str) -> dict:
    return next(entry for entry in values["files"] if entry["path"] == path)


def table(values: dict, path: str = CANDIDATES) -> dict:
    return entry(values, path)["table"]


def said(capsys, monkeypatch, *arguments: object) -> str:
    """What a command prints to say no (exit code 1 or 2): never a traceback, and just one line of error."""
    monkeypatch.setattr(sys, "argv", ["syco-data", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as left:
        main()
    shown = capsys.readouterr()
    assert left.value.code in (1, 2)
    assert len(shown.err.splitlines()) <= 1 and len(shown.err) < 1_000
    return shown.out + shown.err


# Refused as soon as it is read

UNREADABLE = {
    "a table elsewhere": (lambda v: table(v).update(config="../../outside"), "is not the place of config"),
    "an absolute table": (lambda v: table(v).update(config="/tmp"), "is not the place of config"),  # noqa: S108
    "a table under another name": (lambda v: table(v).update(split="test"), "is not the place of config"),
    "no key": (lambda v: table(v).update(key=[]), "does not name columns"),
    "a key that is not a column": (lambda v: table(v).update(key=["nothing"]), "does not name columns"),
    "more withheld than there is": (lambda v: table(v).update(withheld_rows=10**9), "more rows withheld"),
    "a revision that is a list": (lambda v: v["sources"]["qqp"].update(revision=["a"]), "sources.qqp"),
    "a licence that is a number": (lambda v: v["sources"]["qqp"].update(release=1), "sources.qqp"),
    "a source that is none": (lambda v: v["sources"].update(qqp="rows"), "sources.qqp"),
    "arms that are a list": (lambda v: v["settings"].update(arms=["balanced"]), "settings"),
    "an arm that is a word": (lambda v: v["settings"].update(arms={"balanced": "yes"}), "settings"),
    "release settings that are a word": (lambda v: v["settings"].update(release="full"), "settings"),
    "half a character": (lambda v: v["settings"].update(seed="\ud800"), "not valid JSON"),
    "no number": (lambda v: v["settings"].update(seed=float("nan")), "not valid JSON"),
    "a deep well": (lambda v: v["settings"].update(seed=nested(200)), "nested too deep"),
    "a version with a trick": (lambda v: v.update(version="1.0.0\n2.0.0"), "version"),
    "digits of another script": (lambda v: v.update(version="1.1٠.0"), "version"),
    "a template with no digest": (lambda v: v["templates"].update(plain="short"), "templates.plain"),
    "a signer for a commit": (
        lambda v: v["git"].update(commit='Good "git" signature for a@b.c with ED25519 key\n' + "c" * 40),
        "git.commit",
    ),
    "half a commit": (lambda v: v["git"].update(commit="c" * 12), "git.commit"),
    "a future schema": (lambda v: v.update(schema=3), "reads up to 2"),
    "a schema of the past": (lambda v: v.update(schema=1), "an earlier version of this program"),
}


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_manifest_that_cannot_be_meant_is_refused_by_every_command(folder, capsys, monkeypatch, case):
    change, words = UNREADABLE[case]
    edit(folder, change)
    beside = sorted(folder.parent.rglob("*"))
    target = folder.parent / "back"
    for command in (["verify", folder], ["diff", shared_release(), folder], ["restore", folder, "--to", target]):
        line = said(capsys, monkeypatch, *command)
        assert words in line and line.startswith("error: ")
    assert sorted(folder.parent.rglob("*")) == beside


def test_a_manifest_that_may_not_be_read_is_one_line(folder, capsys, monkeypatch):
    really = os.open

    def refuse(path, *arguments: object, **options: object) -> int:
        if path == folder / manifest.NAME:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    for command in (["verify", folder], ["diff", shared_release(), folder], ["restore", folder, "--to", folder / "x"]):
        line = said(capsys, monkeypatch, *command)
        assert line.startswith(f"error: {folder / manifest.NAME} cannot be read: permission denied")


# A group of settings may hold anything, other than those that are looked into.
WRONG = [
    (name, value)
    for name in manifest.Manifest.model_fields
    for value in ("missing", 5, ["x"], {"x": []})
    if (name, value) != ("settings", {"x": []})
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda part: type(part).__name__ if part != str(part) else part)
def test_a_key_that_is_missing_or_of_another_type_is_named(folder, name, value):
    key = "schema" if name == "schema_version" else name
    edit(folder, lambda values: values.pop(key) if value == "missing" else values.update({key: value}))
    with pytest.raises(SycoError, match=key) as caught:
        manifest.read(folder)
    assert "\n" not in str(caught.value)


# Readable, and not what lies there


def forged(*rows: pl.Expr | str):
    """Other columns of the candidates, under a manifest that vouches for the bytes and for nothing else."""

    def change(folder: Path) -> None:
        out = io.BytesIO()
        pl.read_parquet(folder / CANDIDATES).select(*rows).write_parquet(out)
        replace_file(folder, CANDIDATES, out.getvalue())

    return change


def manifest_says(change):
    return lambda folder: edit(folder, change)


def card_says(change):
    """Another head on the card."""

    def rewrite(folder: Path) -> None:
        head, body = (folder / CARD).read_text(encoding="utf-8").removeprefix("---\n").split("\n---\n", 1)
        values = yaml.safe_load(head)
        change(values)
        replace_file(folder, CARD, f"---\n{yaml.safe_dump(values)}---\n{body}".encode())

    return rewrite


def shows(**values: str):
    """The first file of the card's first config, described otherwise."""
    return card_says(lambda head: head["configs"][0]["data_files"][0].update(values))


def without(path: str):
    def drop(values: dict) -> None:
        values["files"].remove(entry(values, path))

    def change(folder: Path) -> None:
        (folder / path).unlink()
        edit(folder, drop)

    return change


def template_says(content: bytes):
    def change(folder: Path) -> None:
        replace_file(folder, TEMPLATE, content)
        edit(folder, lambda values: values["templates"].update(plain=entry(values, TEMPLATE)["sha256"]))

    return change


HEAD = b"---\ndescription: d\nheld_out: false\nagree: Agree\ndisagree: Disagree\n---\n"
CONTRADICTIONS = {
    "a template that is not listed": (manifest_says(lambda v: v["templates"].update(ghost="0" * 64)), "ghost.jinja"),
    "a template by a path": (manifest_says(lambda v: v["templates"].update({"../../x": "0" * 64})), "not the template"),
    "a template that divides by zero": (template_says(HEAD + b"{{ 1 / 0 }}"), "`div` is not allowed"),
    "a template with a broken head": (template_says(b"---\na: [\n---\nx"), "plain.jinja"),
    "a template that is not text": (template_says(b"\xff"), "plain.jinja"),
    "no card": (without(CARD), "every release has it"),
    "no candidates": (without(CANDIDATES), "every release has it"),
    "no file at all": (manifest_says(lambda v: v.update(files=[])), "not named by the manifest"),
    "a card with a broken head": (lambda f: replace_file(f, CARD, b"---\nlicense: [\n---\n"), "YAML head"),
    "a card without a head": (lambda f: replace_file(f, CARD, b"# Hello"), "no YAML head"),
    "a card that is not text": (lambda f: replace_file(f, CARD, b"\xff\xfe"), "UTF-16"),
    "a card that shows another file": (shows(path="../../secret.parquet"), "no such table"),
    "a card that shows the web": (shows(path="hf://datasets/a/b/x.parquet"), "no such table"),
    "a card that swaps splits": (shows(split="held_out"), "no such table"),
    "a card with a folder of its own": (card_says(lambda v: v["configs"][0].update(data_dir="/")), "not those of a"),
    "a card whose configs are words": (card_says(lambda v: v.update(configs="all")), "not those of a release"),
    "one row too many": (manifest_says(lambda v: table(v).update(rows=table(v)["rows"] + 1)), "the manifest says"),
    "columns that are not there": (manifest_says(lambda v: table(v)["columns"].update(more="Int64")), "columns differ"),
    "another key": (manifest_says(lambda v: table(v).update(key=["prompt"])), "columns or key differ"),
    "an unknown schema": (manifest_says(lambda v: table(v).update(schema="mine")), "unknown schema"),
    "texts withheld where there are none": (
        manifest_says(lambda v: table(v, VERDICTS).update(withheld_rows=1, full_content="0" * 32)), "contradicts itself"
    ),
    "another type": (forged(pl.exclude("truth"), pl.col("truth").cast(pl.String)), "columns differ"),
    "a column less": (forged(pl.exclude("answer")), "columns differ"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_release_that_contradicts_itself_is_found_by_every_command(tmp_path, capsys, monkeypatch, case):
    change, words = CONTRADICTIONS[case]
    folder = Path(shutil.copytree(text_free(), tmp_path / "releases" / "release"))
    whole = copy_of_release(tmp_path / "whole")
    for each in (folder, whole):
        change(each)
    beside = sorted(folder.parent.rglob("*"))
    assert words in said(capsys, monkeypatch, "verify", whole)
    assert words in said(capsys, monkeypatch, "restore", folder, "--to", folder.parent / "back")
    for a, b in ((shared_release(), whole), (whole, shared_release())):
        assert said(capsys, monkeypatch, "diff", a, b)
        assert said(capsys, monkeypatch, "diff", a, b, "--level", "files")
    assert sorted(folder.parent.rglob("*")) == beside


def test_what_would_be_waited_for_is_not_a_file(folder, capsys, monkeypatch):
    (folder / VERDICTS).unlink()
    os.mkfifo(folder / VERDICTS)
    assert "not a plain file" in said(capsys, monkeypatch, "verify", folder)
    assert "not a plain file" in said(capsys, monkeypatch, "restore", folder, "--to", folder.parent / "back")
    assert VERDICTS in said(capsys, monkeypatch, "diff", shared_release(), folder)


def test_names_of_files_cannot_steer_the_terminal(folder, capsys, monkeypatch):
    (folder / "a\x1b[31mb").write_text("x")
    (folder / os.fsdecode(b"c\xffd")).write_text("x")
    shown = said(capsys, monkeypatch, "verify", folder)
    assert "\x1b" not in shown and "a\\x1b[31mb" in shown and "c\\udcffd" in shown


def test_a_release_of_before_is_read_by_the_names_of_now(tmp_path):
    """`prompts.rows` and `select.rows` were called `size` in earlier releases."""
    old = Path(shutil.copytree(text_free(), tmp_path / "old"))

    def rename(values: dict) -> None:
        for group in ("prompts", "select"):
            values["settings"][group]["size"] = values["settings"][group].pop("rows")

    edit(old, rename)
    record, now = manifest.read(old), manifest.read(text_free())
    assert record.settings == now.settings and verification.verify(old).problems == ()
    assert diff_releases(old, text_free()).settings == []
    assert restore.recipe(record, old, restore.Places(None, None)).prompts == small_settings().prompts.model_copy(
        update={"template_folder": str(old / "recipe/templates")}
    )
