"""No spelling of a secret is printed, logged or raised."""

import base64
import html
import json
import logging
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from syco_data import redaction
from syco_data.errors import SycoError

TOKENS = (
    "hf_kQvWriterZx81aBcDeF", "hf_abc.SECRETpart99x", "api_org_Zz81kqPwLm", "plain/with+odd=chars&more",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.s1gN-atUre_Xy01",
)  # fmt: skip


def encoded(text: str, before: str = "", after: str = "", encode=base64.b64encode) -> str:
    return encode((before + text + after).encode()).decode()


SPELLINGS = {
    "raw": lambda token: token,
    "in quotes": lambda token: f"Invalid token '{token}'",
    "for an address": lambda token: f"Bearer%20{quote(token, safe='')}",
    "for an address, in small letters": lambda token: quote(token, safe="").lower(),
    "for a form": quote_plus,
    "for an address, twice": lambda token: quote(quote(token, safe=""), safe=""),
    "every character for an address": lambda token: "".join(f"%{byte:02X}" for byte in token.encode()),
    "base64": encoded,
    "base64 for an address": lambda token: encoded(token, encode=base64.urlsafe_b64encode),
    "base64 of a login": lambda token: encoded(token, "user:"),
    "base64 at another place": lambda token: encoded(token, "x:", " ok"),
    "base64 at a third place": lambda token: encoded(token, "abc", "zz"),
    "JSON": lambda token: json.dumps({"error": token}),
    "JSON in numbers": lambda token: "".join(f"\\u{ord(one):04x}" for one in token),
    "JSON in JSON": lambda token: json.dumps(json.dumps({"error": token})),
    "HTML": html.escape,
    "HTML in numbers": lambda token: "".join(f"&#{ord(one)};" for one in token),
    "hex": lambda token: token.encode().hex(),
    "wrapped": lambda token: f"{token[:7]}\n   {token[7:]}",
    "wrapped in JSON": lambda token: json.dumps(f"{token[:9]}\n{token[9:]}"),
    "spaced": " ".join,
    "upper case": str.upper,
    "lower case": str.lower,
    "cut": lambda token: f"{token[:12]}...",
    "its end": lambda token: f"...{token[-9:]}",
    "zero width": "\u200b".join,
}


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_the_token_in_use_is_masked_in_every_spelling(monkeypatch, token, spelling):
    monkeypatch.setenv("HF_TOKEN", token)
    text = spelling(token)
    line = str(SycoError(f"the Hub said: {text} (503)", f"Ask without {text}"))
    assert line.startswith("the Hub said: ") and redaction.MASK in line and line.count("(503)") == 1
    bare = "".join(line.split()).lower()
    for form in (token, encoded(token), quote(token, safe=""), token.encode().hex()):
        for at in range(len(form) - 7):
            assert form[at : at + 8].lower() not in bare


def test_the_token_is_known_from_wherever_the_client_has_it(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "token").write_text("of-the-login-cache\n", encoding="utf-8")
    assert redaction.masked("a of-the-login-cache b") == "a *** b"
    (tmp_path / "other").write_text("of-another-file", encoding="utf-8")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "other"))
    assert redaction.masked("a of-another-file b") == "a *** b"
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "of-the-old-variable")
    assert redaction.masked("a of-the-old-variable b") == "a *** b"


@pytest.mark.parametrize(
    "token",
    ["hf_" + "aB3" * 11, "api_org_aB3dE6gH9", "Bearer aB3.dE6-gH9", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.sig"],
)
def test_what_looks_like_another_token_is_masked(monkeypatch, token):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert redaction.masked(f"got {token}!").rstrip("!").endswith(redaction.MASK)


def test_a_login_in_an_address_is_masked(monkeypatch):
    assert redaction.masked("via http://user:pw@proxy:8080/x") == "via http://***@proxy:8080/x"
    monkeypatch.setenv("https_proxy", "http://user:long%2Bpassword@proxy:8080")
    assert redaction.masked("refused: long+password, long%2bpassword") == "refused: ***, ***"


@pytest.mark.parametrize(
    "text",
    ["pip install hf_xet", "./test_hf_paths.py", "hf://datasets/O/N@v1.0.0/train.parquet", "alice/claims@1.2.0"],
)
def test_other_words_stay(monkeypatch, text):
    monkeypatch.setenv("HF_TOKEN", TOKENS[0])
    assert redaction.masked(text) == text


def test_a_short_word_in_the_variable_is_not_a_secret_that_would_mask_all(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "the")
    assert redaction.masked("the Hub") == "the Hub"


@pytest.mark.parametrize("place", ["folder", "pipe", "bytes"])
def test_a_login_cache_that_cannot_be_read_is_none(monkeypatch, tmp_path, place):
    import os

    path = tmp_path / "token"
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "bytes": lambda: path.write_bytes(b"\xff\xfe" * 20)}[
        place
    ]()
    monkeypatch.setenv("HF_TOKEN_PATH", str(path))
    assert redaction.masked("a word") == "a word"


def test_printing_logging_and_tracebacks_are_masked(monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", TOKENS[1])
    with pytest.raises(RuntimeError) as caught, redaction.guarded():
        print("out", TOKENS[1])
        handler = logging.StreamHandler()
        logging.getLogger("syco_data.test").addHandler(handler)
        logging.getLogger("syco_data.test").warning("log %s", TOKENS[1])
        logging.getLogger("syco_data.test").removeHandler(handler)
        try:
            raise KeyError(f"cause {TOKENS[1]}")
        except KeyError as error:
            raise RuntimeError(f"raised {TOKENS[1]}") from error
    shown = capsys.readouterr()
    result = "".join(traceback.format_exception(caught.value)).split("RuntimeError: ")[-1]
    assert shown.out == "out ***\n" and shown.err == "log ***\n" and result == "raised ***\n"
    assert caught.value.__cause__.args == ("cause ***",)


def test_a_large_text_without_a_secret_takes_no_time(monkeypatch):
    import time

    monkeypatch.setenv("HF_TOKEN", TOKENS[0])
    text, began = "some words of a table " * 20_000, time.monotonic()
    assert redaction.masked(text) == text
    assert time.monotonic() - began < 5


def test_only_the_default_place_is_read_where_nothing_is_set(monkeypatch, tmp_path):
    for name in ("HF_HOME", "HF_TOKEN_PATH", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = redaction._token_files()
    assert Path(tmp_path / ".cache/huggingface/token") in paths


@pytest.mark.parametrize("part", ["hf_", "eyJ", "api_org_", "bearer ", "://a", "&#x0", "\\u00", "%25"])
def test_no_text_of_others_takes_long(monkeypatch, part):
    import time

    monkeypatch.setenv("HF_TOKEN", TOKENS[0])
    began = time.process_time()
    redaction.masked(part * (300_000 // len(part)))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("text", ["a standard bearer carrying flags", "The Bearer Certificates", "Ring Bearer\nfilms"])
def test_words_behind_bearer_are_not_tokens(monkeypatch, text):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert redaction.masked(text) == text
