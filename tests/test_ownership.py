"""Nothing is removed that the project did not put there; what is replaced stands until its successor is complete."""

import errno
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from syco_data import ownership, settings
from syco_data.errors import SycoError
from syco_data.reference import shipped

HINT = "Name another folder"


def fill(target: Path, name: str = "page.html", text: str = "new") -> None:
    with ownership.replacing(target, HINT) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / name).write_text(text)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


class TestWhatIsNotOurs:
    @pytest.mark.parametrize("target", ["docs", ".", "docs/inner", "linked", "docs/notes.md", "dangling"])
    def test_a_folder_a_file_or_a_link_of_somebody_is_refused_and_left_alone(self, tmp_path, target):
        (tmp_path / "docs" / "inner").mkdir(parents=True)
        (tmp_path / "docs" / "inner" / "deep.md").write_text("mine")
        (tmp_path / "docs" / "notes.md").write_text("mine")
        (tmp_path / "linked").symlink_to(tmp_path / "docs")
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        before = names(tmp_path)
        with pytest.raises(SycoError, match="Nothing was removed") as error:
            fill(tmp_path / target)
        assert HINT in str(error.value)
        assert names(tmp_path) == before

    @pytest.mark.parametrize("foreign", ["notes.md", "inner/notes.md", "empty/", ".hidden", "link"])
    def test_one_file_of_somebody_in_our_folder_is_named_and_kept(self, tmp_path, foreign):
        target = tmp_path / "pages"
        fill(target)
        path = target / foreign
        if foreign == "link":
            path.symlink_to(tmp_path)
        elif foreign.endswith("/"):
            path.mkdir()
        else:
            path.write_text("mine")
        with pytest.raises(SycoError, match=f"holds {foreign.rstrip('/')}"):
            fill(target, text="second")
        assert (target / "inner" / "page.html").read_text() == "new"
        assert os.path.lexists(path)

    def test_a_file_that_appears_meanwhile_stops_the_replacement(self, tmp_path):
        fill(tmp_path / "pages")
        with (
            pytest.raises(SycoError, match=r"holds notes\.md"),
            ownership.replacing(tmp_path / "pages", HINT),
        ):
            (tmp_path / "pages" / "notes.md").write_text("mine")
        assert names(tmp_path / "pages") == {ownership.MARK, "inner/page.html", "notes.md"}

    @pytest.mark.parametrize("mark", ["", "{", "[]", "{}", '{"files": 5}', '{"files": [["page.html"]]}', "\udcff"])
    def test_a_mark_that_cannot_be_read_makes_nothing_ours(self, tmp_path, mark):
        fill(tmp_path / "pages")
        (tmp_path / "pages" / ownership.MARK).write_text(mark, errors="surrogateescape")
        with pytest.raises(SycoError, match="Nothing was removed"):
            fill(tmp_path / "pages")

    @pytest.mark.parametrize("other", [None, "models"])
    def test_a_folder_of_ours_with_another_kind_of_content_stays(self, tmp_path, other):
        """`validate.docs: data/reference` costs no model."""
        with ownership.replacing(tmp_path / "model", HINT, kind=other) as folder:
            (folder / "model.safetensors").write_text("days of work")
        with (
            pytest.raises(SycoError, match=r"Nothing was removed"),
            ownership.replacing(tmp_path / "model", HINT, kind="pages"),
        ):
            pass
        assert (tmp_path / "model" / "model.safetensors").exists()

    def test_a_folder_that_looks_like_a_leftover_of_ours_stays(self, tmp_path):
        stranger = tmp_path / ".pages.thesis.tmp"
        stranger.mkdir()
        (stranger / "thesis.tex").write_text("mine")
        fill(tmp_path / "pages")
        assert (stranger / "thesis.tex").exists()

    def test_a_build_without_the_reference_model_does_not_remove_what_lies_there(self, tmp_path):
        (tmp_path / "reference").mkdir()
        (tmp_path / "reference" / "model.safetensors").write_text("mine")
        with pytest.raises(SycoError, match="Nothing was removed"):
            shipped.provide(without_reference(), tmp_path / "reference", tmp_path / "checkpoints")
        assert (tmp_path / "reference" / "model.safetensors").exists()


def without_reference() -> settings.Settings:
    params = settings.load()
    other = params.models["reference"].model_copy(update={"source": "someone/something"})
    return params.model_copy(update={"models": {**params.models, "reference": other}})


class TestReplacing:
    def test_our_folder_is_replaced_with_all_that_it_held(self, tmp_path):
        fill(tmp_path / "a" / "pages", "old.html")
        fill(tmp_path / "a" / "pages", "new.html")
        assert names(tmp_path) == {f"a/pages/{ownership.MARK}", "a/pages/inner/new.html"}

    def test_an_empty_folder_is_taken(self, tmp_path):
        (tmp_path / "pages").mkdir()
        fill(tmp_path / "pages")
        assert (tmp_path / "pages" / "inner" / "page.html").exists()

    def test_the_old_folder_stands_until_the_new_one_is_complete(self, tmp_path):
        fill(tmp_path / "pages", text="old")
        with ownership.replacing(tmp_path / "pages", HINT) as folder:
            (folder / "page.html").write_text("new")
            assert (tmp_path / "pages" / "inner" / "page.html").read_text() == "old"
        assert names(tmp_path / "pages") == {ownership.MARK, "page.html"}

    @pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError("x")])
    def test_a_block_that_fails_leaves_the_old_folder_and_nothing_else(self, tmp_path, failure):
        fill(tmp_path / "pages", text="old")
        expected = SycoError if isinstance(failure, OSError) else type(failure)
        with pytest.raises(expected) as error, ownership.replacing(tmp_path / "pages", HINT) as folder:
            (folder / "half.html").write_text("half")
            raise failure
        if expected is SycoError:
            assert "pages could not be written: the disk is full" in str(error.value)
        assert names(tmp_path) == {f"pages/{ownership.MARK}", "pages/inner/page.html"}

    @pytest.mark.parametrize("size", [100, 2000])
    def test_a_disk_that_is_full_for_a_library_is_one_line(self, tmp_path, size):
        """Safetensors and tokenizers raise errors of their own, after half an hour of training."""
        script = (
            "import resource, sys; from pathlib import Path; import torch\n"
            "from safetensors.torch import save_file; from syco_data import ownership\n"
            "from tests.support import tiny_models\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
            "for write in (lambda folder: save_file({'a': torch.ones(9000)}, folder / 'model.safetensors'),\n"
            "              lambda folder: tiny_models.tokenizer('byte_bpe').save(str(folder / 'tokenizer.json'))):\n"
            "    try:\n"
            "        with ownership.replacing(Path(sys.argv[1]), '') as folder: write(folder)\n"
            "    except ownership.SycoError as error: print(error)"
        )
        fill(tmp_path / "model", text="old")
        command = [sys.executable, "-c", script, tmp_path / "model", str(size)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert result.stdout.count("model could not be written: the file size is limited. Make room") == 2
        assert names(tmp_path) == {f"model/{ownership.MARK}", "model/inner/page.html"}

    def test_the_next_run_removes_what_a_killed_one_left(self, tmp_path):
        script = (
            "import os, signal, sys; from pathlib import Path; from syco_data import ownership\n"
            "with ownership.replacing(Path(sys.argv[1]), '') as folder:\n"
            "    (folder / 'half.html').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run([sys.executable, "-c", script, tmp_path / "pages"], check=False)
        assert len(names(tmp_path)) == 2
        fill(tmp_path / "pages")
        assert names(tmp_path) == {f"pages/{ownership.MARK}", "pages/inner/page.html"}

    @pytest.mark.parametrize("failure", [None, OSError(errno.ENOSPC, "full")])
    def test_a_kill_between_the_two_renames_loses_nothing(self, tmp_path, failure):
        fill(tmp_path / "pages", text="old")
        script = (
            "import os, signal, sys; from pathlib import Path; from syco_data import ownership\n"
            "rename = Path.rename\n"
            "def killed(self, to): rename(self, to); os.kill(os.getpid(), signal.SIGKILL)\n"
            "with ownership.replacing(Path(sys.argv[1]), '') as folder:\n"
            "    Path.rename = killed"
        )
        subprocess.run([sys.executable, "-c", script, tmp_path / "pages"], check=False)
        assert not (tmp_path / "pages").exists()
        with (
            pytest.raises(SycoError) if failure else nullcontext(),
            ownership.replacing(tmp_path / "pages", HINT) as folder,
        ):
            assert (tmp_path / "pages" / "inner" / "page.html").read_text() == "old"
            if failure:
                raise failure
            (folder / "new.html").write_text("new")
        kept = "inner/page.html" if failure else "new.html"
        assert names(tmp_path) == {f"pages/{ownership.MARK}", f"pages/{kept}"}

    def test_what_another_living_run_makes_is_left_alone(self, tmp_path):
        with ownership.replacing(tmp_path / "pages", HINT) as folder:
            (folder / "slow.html").write_text("slow")
            fill(tmp_path / "pages", "quick.html")
            assert (folder / "slow.html").exists()
        assert names(tmp_path) == {f"pages/{ownership.MARK}", "pages/slow.html"}

    def test_the_same_files_give_the_same_mark(self, tmp_path):
        for name in ("one", "two"):
            fill(tmp_path / name)
        assert (tmp_path / "one" / ownership.MARK).read_bytes() == (tmp_path / "two" / ownership.MARK).read_bytes()
