"""What is sent of a folder: its files, those that DVC has linked too; what cannot be sent is one line."""

import os
from pathlib import Path

import pytest

from syco_data.errors import SycoError
from syco_data.publish import uploads


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tuned model in a DVC project."""
    folder = tmp_path / "project/data/tuned/tiny"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "project/.dvc/cache/files").mkdir(parents=True)
    (tmp_path / "project/.dvc/config").write_text("[core]\n    no_scm = True\n", encoding="utf-8")
    (folder / "README.md").write_text("# Tuned\n", encoding="utf-8")
    (folder / "inner/weights.safetensors").write_bytes(b"weights")
    return folder


def paths(folder: Path, **more) -> list[str]:
    return [item.path for item in uploads.of_folder(folder, "1.0.0", **more).items]


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(SycoError) as error:
        uploads.of_folder(folder, "1.0.0")
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_links_of_dvc_are_followed(model: Path, tmp_path: Path) -> None:
    whole = uploads.of_folder(model, "1.0.0")
    cached = tmp_path / "project/.dvc/cache/files/aa"
    (model / "README.md").rename(cached)
    (model / "README.md").symlink_to(cached)
    linked = uploads.of_folder(model, "1.0.0")
    assert linked.digest == whole.digest and linked.card() == "# Tuned\n"
    assert not any(item.source.is_symlink() for item in linked.items)


def test_links_elsewhere_are_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (model / "notes.txt").symlink_to(tmp_path / "secret")
    refused(model, "notes.txt", "is a link")
    (model / "notes.txt").unlink()
    (model / "notes.txt").symlink_to(tmp_path / "nothing")
    refused(model, "notes.txt", "link to a file that is not there")


def test_a_linked_folder_is_not_left_out_without_a_word(model: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/more.safetensors").write_bytes(b"more")
    (model / "more").symlink_to(tmp_path / "elsewhere")
    refused(model, "more", "is a link")


def test_a_pipe_is_one_line_and_not_waited_for(model: Path) -> None:
    os.mkfifo(model / "pipe")
    refused(model, "pipe", "is not a plain file")


def test_hidden_files_and_folders_are_left_out_and_not_entered(model: Path) -> None:
    (model / ".git/objects").mkdir(parents=True)
    os.mkfifo(model / ".git/objects/pipe")
    (model / ".hidden").write_text("x", encoding="utf-8")
    assert paths(model) == ["README.md", "inner/weights.safetensors"]


def test_a_huge_tree_is_refused_before_anything_of_it_is_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_FILES", 20)
    monkeypatch.setattr(uploads.manifest, "digest_of", lambda path: pytest.fail("read"))
    for number in range(20):
        (model / f"inner/{number}.bin").touch()
    refused(model, "more than 20 files")


@pytest.mark.parametrize("name", [b"a\nb", b"a\x1bb", b"a\xffb"])
def test_odd_names_are_one_line(model: Path, name: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(model), name))).touch()
    refused(model, "not a name that a file can have", "Rename")


def test_brackets_and_blanks_are_not_odd_names(model: Path) -> None:
    (model / "a [1] {b}*?.txt").touch()
    assert "a [1] {b}*?.txt" in paths(model)


def test_another_card_takes_the_place_of_the_folders(model: Path, tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("# Of a release\n", encoding="utf-8")
    upload = uploads.of_folder(model, "1.0.0", {"README.md": tmp_path / "card.md"})
    assert upload.card() == "# Of a release\n"
    assert [item.path for item in upload.items] == ["README.md", "inner/weights.safetensors"]
    assert upload.digest != uploads.of_folder(model, "1.0.0").digest


@pytest.mark.parametrize(("content", "words"), [(b"\xff\xfe#\x00", "UTF-16"), (b"x" * (3 << 20), "at most")])
def test_a_card_that_is_not_text_is_one_line(model: Path, content: bytes, words: str) -> None:
    (model / "README.md").write_bytes(content)
    with pytest.raises(SycoError, match=words):
        uploads.of_folder(model, "1.0.0").card()
