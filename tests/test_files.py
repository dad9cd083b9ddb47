"""Files appear complete or not at all, and only regular ones of a bounded size are read."""

import errno
import os
from pathlib import Path

import pytest

from syco_data import files
from syco_data.errors import SycoError


class TestWriting:
    def test_text_keeps_its_line_ends_and_json_has_one_form(self, tmp_path):
        files.write(tmp_path / "new" / "text", "ä\r\nb")
        assert (tmp_path / "new" / "text").read_bytes() == b"\xc3\xa4\r\nb"
        files.write_json(tmp_path / "one.json", {"b": 1, "a": "ä"})
        files.write_json(tmp_path / "two.json", {"a": "ä", "b": 1})
        assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES])
    def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing_behind(self, tmp_path, monkeypatch, number):
        files.write(tmp_path / "file", "old")

        def fail(path: Path, content: bytes) -> None:
            with path.open("wb") as file:
                file.write(content[:1])
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "write_bytes", fail)
        with pytest.raises(SycoError, match="could not be written: ") as error:
            files.write(tmp_path / "file", "new")
        assert ("Make room" in str(error.value)) == (number != errno.EACCES)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert (tmp_path / "file").read_text() == "old"

    def test_a_file_where_a_folder_is_needed_and_a_folder_where_a_file_is(self, tmp_path):
        (tmp_path / "file").write_text("")
        (tmp_path / "folder" / "inner").mkdir(parents=True)
        for target in (tmp_path / "file" / "below", tmp_path / "folder"):
            with pytest.raises(SycoError, match="could not be written"):
                files.write(target, "text")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]

    def test_a_link_is_replaced_and_what_it_leads_to_stays(self, tmp_path):
        (tmp_path / "cache").write_text("cached")
        (tmp_path / "out").symlink_to("cache")
        files.write(tmp_path / "out", "new")
        assert (tmp_path / "cache").read_text() == "cached"
        assert (tmp_path / "out").read_text() == "new" and not (tmp_path / "out").is_symlink()


class TestReading:
    def test_what_is_not_a_regular_file_is_refused_without_waiting(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to("loop")
        for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), tmp_path / "loop", tmp_path / "a\0b"):
            with pytest.raises(SycoError):
                files.read(path, 10)
        with pytest.raises(FileNotFoundError):
            files.read(tmp_path / "nothing", 10)

    def test_a_file_above_the_bound_is_refused_with_both_sizes(self, tmp_path):
        (tmp_path / "file").write_bytes(b"x" * 11)
        assert files.read(tmp_path / "file", 11) == b"x" * 11
        with pytest.raises(SycoError, match="has 11 bytes, at most 10 are read"):
            files.read(tmp_path / "file", 10)

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("a: ä\n".encode("utf-16"), "is in UTF-16"),
            ("a: 1\nb: ä\n".encode("latin-1"), "byte 0xe4 in line 2"),
        ],
    )
    def test_another_encoding_is_named(self, tmp_path, content, expected):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(SycoError, match=expected):
            files.read_text(tmp_path / "file", 100)

    def test_a_byte_order_mark_is_not_a_part_of_the_text(self, tmp_path):
        (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\r\n")
        assert files.read_text(tmp_path / "file", 100) == "a\r\n"
