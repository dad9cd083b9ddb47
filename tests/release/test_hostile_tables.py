"""Tables of a release that unfold to more than any memory, or whose footers are damaged: one line each.

Whoever writes a release writes its digests too, so every case has the right ones.
"""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syco_data.diff import diffing
from syco_data.errors import SycoError
from syco_data.formats import parquet_footer
from syco_data.release import manifest, tables, verification
from tests.support.hub.releases import Small, edit, replace_file

ROOT = Path(__file__).resolve().parents[2]
CANDIDATES, VERDICTS = "candidates/train.parquet", "verdicts-tiny/train.parquet"
GIB = 1 << 30


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Small().write(tmp_path_factory.mktemp("small") / "release")


@pytest.fixture
def release(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "release"))


def repeated(value: pa.Scalar, times: int) -> pa.Array:
    """One value many times, without that many copies of it in memory."""
    if pa.types.is_string(value.type):
        return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([value.as_py()]))
    return pa.array([value.as_py()] * times, value.type)


def ids(rows: int) -> pa.Array:
    return pa.array([f"{number:032x}" for number in range(rows)])


def bomb(folder: Path, rows: int, groups: int = 1, **columns: pa.Array) -> None:
    """Writes candidates that are mostly one row over and over, and a manifest that agrees."""
    schema = tables.arrow_schema(tables.SCHEMAS["released/candidates"])
    first = pq.read_table(folder / CANDIDATES)
    values = [columns.get(name, repeated(first.column(name)[0], rows)) for name in schema.names]
    table = pa.table(dict(zip(schema.names, values, strict=True)))
    with pq.ParquetWriter(folder / CANDIDATES, table.schema, compression="zstd", store_schema=False) as out:
        for _ in range(groups):
            out.write_table(table, row_group_size=1 << 20)
    replace_file(folder, CANDIDATES, (folder / CANDIDATES).read_bytes())

    def count(values: dict) -> None:
        next(entry for entry in values["files"] if entry["path"] == CANDIDATES)["table"]["rows"] = rows * groups

    edit(folder, count)


BOMBS: dict[str, Callable[[Path], None]] = {
    "60,000 equal keys of 1 MB": lambda f: bomb(f, 60_000, prompt_id=repeated(pa.scalar("a" * 1_000_000), 60_000)),
    "60,000 equal texts of 1 MB": lambda f: bomb(
        f, 60_000, prompt_id=ids(60_000), prompt=repeated(pa.scalar("a" * 1_000_000), 60_000)
    ),
    "60,000 equal texts of 8 kB": lambda f: bomb(
        f, 60_000, prompt_id=ids(60_000), prompt=repeated(pa.scalar("a" * 8_000), 60_000)
    ),
    "5 million equal rows": lambda f: bomb(f, 1_000_000, groups=5, prompt_id=repeated(pa.scalar("a" * 32), 1_000_000)),
}
QUESTIONS = """
import json, re, sys
from pathlib import Path
from syco_data.formats import parquet_footer
from syco_data.diff import diffing
from syco_data.errors import SycoError
from syco_data.release import verification
small, folder = map(Path, sys.argv[1:])
said = [one.what for one in verification.verify(folder).problems]
try:
    diffing.diff_releases(small, folder)
except SycoError as error:
    said.append(str(error))
# Not `ru_maxrss`: where the process that started this one is larger, it is that one's.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps([said, int(peak) * 1024]))
"""


@pytest.mark.parametrize("case", BOMBS)
def test_a_small_file_that_unfolds_to_gigabytes_is_one_line_in_little_memory(release: Path, small: Path, case) -> None:
    BOMBS[case](release)
    assert (release / CANDIDATES).stat().st_size < 8_000_000
    result = subprocess.run(
        [sys.executable, "-c", QUESTIONS, str(small), str(release)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (8 * GIB, 8 * GIB)),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    text, peak = json.loads(result.stdout)
    assert len(text) == 2 and all("at most" in words or "unfold" in words for words in text), text
    assert peak < GIB, f"{peak:,} bytes"


def test_a_table_as_large_as_its_file_is_read(release: Path) -> None:
    """The bound is one of proportion: long texts that are really there are within it."""
    file = manifest.read(release).table("candidates", "train")
    few = tables.limits(file)
    large = tables.limits(file.model_copy(update={"bytes": 10 * GIB}))
    assert few.size < GIB < 10 * GIB < large.rows * 100
    rows = file.table.model_copy(update={"rows": 10_000_000})
    assert tables.limits(file.model_copy(update={"bytes": 6 * GIB, "table": rows})).size > 100 * GIB


def test_a_long_template_that_every_row_repeats_is_within_the_bound(release: Path) -> None:
    """Measured: 60,000 candidates with a template of 6,000 characters take 55 bytes a row and unfold to 11,462."""
    file = manifest.read(release).table("candidates", "train")
    rows = file.table.model_copy(update={"rows": 60_000})
    limits = tables.limits(file.model_copy(update={"bytes": 55 * 60_000, "table": rows}))
    assert limits.size > 11_462 * 60_000


def test_a_manifest_of_megabytes_is_not_read(release: Path, small: Path) -> None:
    (release / manifest.NAME).write_text(
        '{"schema": 2, "settings": ' + "[" * 30 + "0," * 3_000_000 + "0" + "]" * 30 + "}"
    )
    for question in (lambda: verification.verify(release), lambda: diffing.diff_releases(small, release)):
        with pytest.raises(SycoError, match="at most 4,194,304 are read"):
            question()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: b"\xef\xbb\xbf" + text, "BOM"),
        (lambda text: text.replace(b'"change"', b'"version": "9.0.0", "change"', 1), "'version' is given twice"),
        (lambda text: text.decode().encode("utf-16"), "not valid JSON"),
        (lambda text: b"[" * 3_000_000, "nested too deep"),
        (lambda text: b'{"schema": ' + b"9" * 5_000 + b"}", "not valid JSON"),
    ],
    ids=["a mark of byte order", "a key twice", "UTF-16", "deep", "a number of 5,000 digits"],
)
def test_a_manifest_that_readers_would_take_for_different_things_is_refused(release: Path, change, words) -> None:
    path = release / manifest.NAME
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SycoError, match=words) as caught:
        manifest.read(release)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("path", [VERDICTS, CANDIDATES])
def test_flipped_bits_of_a_footer_are_one_line_or_sound(release: Path, small: Path, path: str, capfd) -> None:
    """A part of all of them, the same at every run; polars must not even print its panic."""
    content = (release / path).read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place in range(start, len(content), 113):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        replace_file(release, path, bytes(flipped))
        for question in (lambda: verification.verify(release), lambda: diffing.diff_releases(small, release)):
            try:
                question()
            except SycoError as error:
                assert "\n" not in str(error), place
    assert "panicked" not in capfd.readouterr().err


def test_a_dictionary_that_stands_nowhere_is_one_line(release: Path, small: Path, capfd) -> None:
    """The one number that pyarrow does not mind and polars panics of."""
    path = release / VERDICTS
    rows = pq.read_table(path)
    pq.write_table(rows, path, compression="zstd", store_schema=False)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    damaged = []
    for place in range(length):
        flipped = bytearray(content)
        flipped[-8 - length + place] ^= 64
        path.write_bytes(flipped)
        try:
            parquet_footer.read(path)
        except parquet_footer.Malformed as error:
            if "dictionary does not stand before its data" in str(error):
                damaged.append(bytes(flipped))
    assert damaged
    for flipped in damaged[:3]:
        replace_file(release, VERDICTS, flipped)
        with pytest.raises(SycoError, match="is not a whole Parquet file"):
            diffing.diff_releases(small, release)
    assert "panicked" not in capfd.readouterr().err


def test_statistics_are_not_believed(release: Path) -> None:
    """Bounds that say 'no such row here' would hide rows that break a check; bounds of other types are allowed."""
    path = release / VERDICTS
    rows = pl.read_parquet(path)
    place = next(number for number, known in enumerate(rows["known"]) if known)
    forged = rows.with_columns(
        reason=pl.when(pl.int_range(pl.len()) == place).then(pl.lit("unsure")).otherwise("reason")
    )
    table = tables.write_table(
        [forged], tables.SCHEMAS["verdicts"], tables.Place("verdicts-tiny", "train"), release, []
    )

    def change(values: dict) -> None:
        entry = next(entry for entry in values["files"] if entry["path"] == VERDICTS)
        entry["table"] = table.model_dump(by_alias=True)

    edit(release, change)
    honest = path.read_bytes()
    replace_file(release, VERDICTS, honest)
    broken = {one.path for one in verification.verify(release).problems}
    assert broken == {VERDICTS}
    for old, new in ((b"unsure", b"zzzzzz"), (b"unsure", b"\xff\xfe\xff\xff\xff\xff")):
        start = len(honest) - 8 - int.from_bytes(honest[-8:-4], "little")
        replace_file(release, VERDICTS, honest[:start] + honest[start:].replace(old, new))
        assert {one.path for one in verification.verify(release).problems} == broken
