"""Chat templates and tokenizers of strangers: whatever they do, loading them ends, and in one line."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syco_data.engines import chat_rendering
from syco_data.engines.chat_rendering import Refused, Renderer
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError
from tests.support import tiny_models

MESSAGES = [{"role": "user", "content": "Name a river."}, {"role": "assistant", "content": "The Po"}]
TEXT = "Human: Name a river.\n\nAssistant: The Po"
COPY = "{% for message in messages %}{{ message.content }}{% endfor %}"


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("chat") / "tiny", "byte_bpe", chat=True)


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "tiny"))


@pytest.fixture
def hurried(monkeypatch):
    """A limit that a test can wait for."""
    monkeypatch.setattr(chat_rendering, "SECONDS", 2.0)


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
DOUBLING = "{% set ns = namespace(t='x') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}"
ENDLESS = {
    "loops": LOOP + COPY,
    "loops over a list": "{% set l = range(99999)|list %}" + LOOP.replace("range(99999)", "l") + COPY,
    "a loop for one prompt": "{% if 'river' in messages[0].content %}" + LOOP + "{% endif %}" + COPY,
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}" + COPY,
    "a huge power": "{{ (10 ** (10 ** 9)) % 7 }}" + COPY,
    "a huge text": "{{ 'x' * 10**10 }}" + COPY,
    "a huge text in a filter": "{{ 'x'|center(10**10) }}" + COPY,
    "a huge text in a format": "{{ '%10000000000d'|format(1) }}" + COPY,
    "a text that doubles": DOUBLING + COPY,
    "a large text": "{{ 'x' * 2000000 }}" + COPY,
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ENDLESS)
def test_a_template_that_does_not_end_or_fills_the_memory_is_one_line(folder, kind, hurried):
    (folder / "chat_template.jinja").write_text(ENDLESS[kind], encoding="utf-8")
    with pytest.raises(SycoError, match="its chat template cannot be used: .*Set prompt_style: plain") as caught:
        Tokenizer(folder, "chat").library  # noqa: B018
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_process_that_was_ended_is_started_again(hurried):
    slow = "{% if 'slow' in messages[0].content %}" + ENDLESS["loops"] + "{% else %}" + COPY + "{% endif %}"
    renderer = Renderer()
    assert renderer.render(slow, {}, MESSAGES) == "Name a river.The Po"
    first = renderer._process.pid
    assert renderer.render(slow, {}, MESSAGES) == "Name a river.The Po" and renderer._process.pid == first
    with pytest.raises(Refused, match="does not end within 2 seconds"):
        renderer.render(slow, {}, [{"role": "user", "content": "slow"}])
    assert renderer.render(slow, {}, MESSAGES) == "Name a river.The Po"
    assert renderer.render("{{ messages[0].content }}{{ x }}", {"x": 1}, MESSAGES) == "Name a river.1"
    renderer.close()


def test_the_process_ends_with_the_one_that_asked(tmp_path):
    code = (
        "from syco_data.engines.chat_rendering import Renderer\n"
        f"renderer = Renderer(); renderer.render({COPY!r}, {{}}, {MESSAGES!r})\n"
        "import os; print(renderer._process.pid, flush=True); os._exit(1)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    pid = int(result.stdout)
    until = time.monotonic() + 20
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_template_gives_is_what_transformers_gives(folder):
    texts = [tiny_models.question(index) for index in range(5)] + ["Human: \ud83d\n\nAssistant: half", TEXT]
    tokenizer = Tokenizer(folder, "chat")
    library = tokenizer.library
    for text in texts:
        user, _, answer = text.removeprefix("Human: ").partition("\n\nAssistant: ")
        messages = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
        expected = library.apply_chat_template(messages, tokenize=False, continue_final_message=True)
        assert tokenizer.styled(text) == expected
    expected = library.apply_chat_template(MESSAGES[:1], tokenize=False, add_generation_prompt=True)
    assert tokenizer.request(MESSAGES[0]["content"]) == expected


def test_a_template_that_prints_or_fails_is_heard_of_in_one_line(folder):
    for template, message in (
        ("{% for %}", "Expected an expression"),
        ("{{ raise_exception('no\nsystem turn') }}content", "no system turn"),
        ("{{ messages[7].content }}", "list object has no element 7"),
        ("{{ ''.__class__.__mro__ }}content", "access to attribute '__class__'"),
        ("{{ 1 // 0 }}content", "division"),
    ):
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        with pytest.raises(SycoError, match=f"its chat template cannot be used: .*{message}"):
            Tokenizer(folder, "chat").styled(TEXT)


def entries(file: str, **values: object) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        (folder / file).write_text(json.dumps(content | values), encoding="utf-8")

    return harm


def written(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text, encoding="utf-8")


NEWER = "tokenizer.json needs a newer tokenizers .here: [0-9.]+.: data did not match"
MALFORMED = "the tokenizer cannot be loaded: "
TOKENIZERS = [
    *((entries("tokenizer.json", **{part: {"type": "Future"}}), NEWER)
      for part in ("model", "normalizer", "pre_tokenizer", "post_processor", "decoder")),
    *((written("tokenizer.json", text), MALFORMED) for text in ("[]", "null", "{}", "5", "", "{", "[" * 100_000)),
    (entries("tokenizer.json", added_tokens=5), MALFORMED),
    (entries("tokenizer.json", added_tokens=[{"id": "x"}]), MALFORMED),
    (entries("tokenizer.json", version="9.0"), MALFORMED),
    (entries("tokenizer.json", pre_tokenizer={"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated",
                                              "invert": False}), MALFORMED),
    *((entries("tokenizer_config.json", **{key: value}), MALFORMED) for key, value in (
        ("tokenizer_class", 5), ("tokenizer_class", ["a"]), ("bos_token", 5), ("bos_token", {"a": 1}),
        ("additional_special_tokens", 5), ("added_tokens_decoder", 5), ("added_tokens_decoder", {"x": 5}),
    )),
    (written("special_tokens_map.json", "[5]"), MALFORMED),
    (entries("config.json", dtype="float33"), MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "message"), TOKENIZERS)
def test_a_tokenizer_of_nonsense_is_one_line(folder, harm, message):
    harm(folder)
    with pytest.raises(SycoError, match=f"^model folder tiny: {message}") as caught:
        Tokenizer(folder, "plain").check()
    assert "\n" not in str(caught.value)


def test_a_panic_of_the_tokenizers_library_is_one_line(folder, monkeypatch):
    from transformers import AutoTokenizer

    class PanicException(BaseException):
        """As pyo3 has it: no Exception."""

    def panic(*_, **__):
        raise PanicException("index out of bounds\nsecond line")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", panic)
    with pytest.raises(SycoError, match="cannot be loaded: index out of bounds"):
        Tokenizer(folder, "plain").check()


def test_a_sound_tokenizer_passes_in_both_styles(folder):
    for style in ("plain", "chat"):
        Tokenizer(folder, style).check()
    assert os.environ.get("USE_HUB_KERNELS", "NO") == "NO"
