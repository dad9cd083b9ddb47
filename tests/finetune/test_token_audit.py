"""The audit before training: each thing a trainer would do silently is found by name, on every kind of tokenizer."""

import polars as pl
import pytest

from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError
from syco_data.finetune import token_audit, training_rows
from syco_data.finetune.instructions import Pool
from tests.support import tiny_models
from tests.support.tunings import NOTHING_DROPPED, choice, instruction_rows, resolved, train_rows

END, LONGEST = 2, 512


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders by tokenizer; `chat` is a byte_bpe with a chat template."""
    root = tmp_path_factory.mktemp("models")
    build = {kind: tiny_models.make(root / kind, kind) for kind in ("byte_bpe", "merged_all", "glued", "unigram")}
    return {**build, "chat": tiny_models.make(root / "chat", chat=True)}


def rows(**columns) -> pl.DataFrame:
    count = len(columns["prompt"])
    return pl.DataFrame({"row_id": [f"r{n}" for n in range(count)], **columns}, schema_overrides={"row_id": pl.String})


def violations(folder, longest=LONGEST, style="plain", **columns) -> list[str | None]:
    return token_audit.examine(Tokenizer(folder, style), rows(**columns), longest).rows["violation"].to_list()


@pytest.mark.parametrize("kind", ["byte_bpe", "merged_all", "unigram"])
def test_prompts_of_the_pipeline_are_sound(folders, kind):
    train = train_rows()
    audit = token_audit.examine(
        Tokenizer(folders[kind], "plain"), rows(prompt=train["prompt"], completion=train["completion"]), LONGEST
    )
    assert audit.rows["violation"].null_count() == train.height
    assert audit.rows["input_ids"].list.last().unique().to_list() == [END]
    assert (audit.rows["input_ids"].list.len() > audit.rows["prompt_tokens"] + 1).all()


def test_tokens_of_a_row_are_those_of_its_text(folders):
    train, tokenizer = train_rows(1), Tokenizer(folders["byte_bpe"], "plain")
    audit = token_audit.examine(tokenizer, rows(prompt=train["prompt"], completion=train["completion"]), LONGEST)
    ids, prompt = audit.rows["input_ids"][0].to_list(), audit.rows["prompt_tokens"][0]
    assert tokenizer.library.decode(ids[1:prompt]) == train["prompt"][0]
    assert tokenizer.library.decode(ids[prompt:]) == f"{train['completion'][0]}</s>"


def test_tokens_that_merge_across_the_border_are_found(folders):
    prompt = tiny_models.question(0)
    # `glued` has the token `is (A`, which begins in the prompt and ends in the completion.
    assert violations(folders["glued"], prompt=[prompt], completion=[" (A)"]) == ["not_a_prefix"]
    assert violations(folders["byte_bpe"], prompt=["river tab"], completion=["le"]) == ["not_a_prefix"]


def test_a_row_without_a_target_is_found(folders):
    assert violations(folders["byte_bpe"], prompt=["river"], completion=[""]) == ["no_target"]


def test_rows_over_the_length_are_found_to_the_token(folders):
    train, tokenizer = train_rows(1), Tokenizer(folders["byte_bpe"], "plain")
    columns = {"prompt": train["prompt"], "completion": train["completion"]}
    size = len(token_audit.examine(tokenizer, rows(**columns), LONGEST).rows["input_ids"][0])
    assert violations(folders["byte_bpe"], size, **columns) == [None]
    assert violations(folders["byte_bpe"], size - 1, **columns) == ["too_long"]


def test_an_end_token_spelled_in_the_data_is_read_letter_by_letter(folders):
    """And never as the token; a text that was not made ready for the model is refused."""
    tokenizer = Tokenizer(folders["byte_bpe"], "plain")
    for form, prompt, completion in (
        ("transcript", "Human: ri</s>ver", " table</s> garden"),
        ("request", "<s>", "</s>"),
    ):
        row = pl.DataFrame({"row_id": "0", "form": form, "prompt": prompt, "completion": completion})
        audit = token_audit.examine(tokenizer, token_audit.texts(tokenizer, row), LONGEST)
        ids = audit.rows["input_ids"][0].to_list()
        assert audit.rows["violation"].to_list() == [None]
        assert (ids.count(tokenizer.library.bos_token_id), ids.count(END)) == (1, 1) and ids[-1] == END
        assert prompt in tokenizer.library.decode(ids) and f"{completion}</s>" in tokenizer.library.decode(ids)
    assert violations(folders["byte_bpe"], prompt=["river"], completion=[" table</s> garden"]) == ["end_inside"]
    assert violations(folders["byte_bpe"], prompt=["ri</s>ver"], completion=[" table"]) == ["end_inside"]


@pytest.fixture
def cutting(folders, tmp_path):
    """A model whose tokenizer drops the letters " end" wherever they stand."""
    import shutil

    from tokenizers import Tokenizer as Core
    from tokenizers import normalizers

    folder = shutil.copytree(folders["byte_bpe"], tmp_path / "cutting")
    core = Core.from_file(str(folder / "tokenizer.json"))
    core.normalizer = normalizers.Replace(" end", "")
    core.save(str(folder / "tokenizer.json"))
    return folder


def test_a_tokenizer_that_drops_the_end_of_a_text_is_found(cutting):
    folder = cutting
    assert violations(folder, prompt=["river"], completion=[" table end"]) == ["cut"]


def test_a_violation_stops_before_training_and_names_the_first_ids(cutting):
    model = resolved(cutting)
    train = train_rows(5).with_columns(completion=pl.lit(" (A) end"))
    pool = Pool(instruction_rows(), NOTHING_DROPPED)
    with pytest.raises(
        SycoError,
        match=rf"5 of 5 generated rows.*does not reach the end.*first: {'0' * 32}, .*Nothing was trained"
        rf".*python -m syco_data show {'0' * 32}$",
    ):
        training_rows.prepare(model, train, pool, choice(), "stop")


def test_an_instruction_that_cannot_be_trained_on_is_found_by_its_file(cutting):
    model, rows = resolved(cutting), instruction_rows(3)
    ended = rows.with_columns(completion=pl.lit("end"), source=pl.lit("deep/rows.jsonl"))
    text = r"first: i000, .*file or task 'deep/rows\.jsonl'.*instructions\.directory, hub_id or columns"
    with pytest.raises(SycoError, match=text) as refused:
        training_rows.prepare(model, train_rows(), Pool(ended, NOTHING_DROPPED), choice(), "stop")
    assert "syco_data show" not in str(refused.value)


def test_long_instructions_stop_or_are_dropped_as_asked(folders):
    model, pool = resolved(folders["byte_bpe"]), Pool(instruction_rows(), NOTHING_DROPPED)
    long = pool.rows.with_columns(
        prompt=pl.when(pl.col("instruction_id") == "i003").then(pl.lit("river " * 300)).otherwise("prompt")
    )
    with pytest.raises(
        SycoError, match=r"1 of 12 instruction rows.*first: i003.*Raise finetune\.max_length.*over_length to drop$"
    ):
        training_rows.prepare(model, train_rows(), Pool(long, NOTHING_DROPPED), choice(), "stop")
    kept = training_rows.prepare(model, train_rows(), Pool(long, NOTHING_DROPPED), choice(steps=60), "drop")
    assert (kept.counts.instruction, kept.counts.instruction_too_long) == (11, 1)
    assert "i003" not in kept.rows["row_id"]


def test_a_length_beyond_the_model_is_refused(folders):
    with pytest.raises(SycoError, match=r"max_length is 2000.*1024"):
        training_rows.prepare(
            resolved(folders["byte_bpe"]), train_rows(), Pool(instruction_rows(), NOTHING_DROPPED),
            choice(max_length=2000), "stop",
        )  # fmt: skip


def test_each_step_holds_the_mixture_sorted_by_length(folders):
    rows = training_rows.prepare(
        resolved(folders["byte_bpe"]), train_rows(), Pool(instruction_rows(), NOTHING_DROPPED), choice(), "stop"
    )
    steps = rows.order.reshape(8, 6)
    parts, lengths = rows.rows["part"].to_list(), rows.rows["input_ids"].list.len().to_list()
    for step in steps:
        assert [parts[index] for index in step].count("instruction") == 1
        assert [lengths[index] for index in step] == sorted(lengths[index] for index in step)
    assert rows.counts.tokens == sum(lengths[index] for index in rows.order)
    assert rows.counts.share_generated == 40 / 48


def test_chat_models_read_turns_and_end_with_their_own_token(folders):
    tokenizer = Tokenizer(folders["chat"], "chat")
    table = train_rows(1).rename({"prompt_id": "row_id"}).with_columns(form=pl.lit("transcript"))
    prompt = token_audit.texts(tokenizer, table)["prompt"][0]
    assert prompt.startswith("<s><|user|>\nDo you agree")
    assert prompt.endswith("<|assistant|>\nI believe the best answer is")
    rows = instruction_rows(1).rename({"instruction_id": "row_id"})
    request = token_audit.texts(tokenizer, rows).row(0, named=True)
    assert request["prompt"] == "<s><|user|>\nWhat stands after river?\n<|assistant|>\n"
    assert request["completion"] == "table"
    audit = token_audit.examine(tokenizer, token_audit.texts(tokenizer, rows), LONGEST)
    assert audit.rows["violation"].to_list() == [None]
    assert audit.rows["input_ids"][0].to_list().count(1) == 1


def test_the_end_of_a_turn_is_what_the_template_writes(folders, tmp_path):
    import shutil

    plain = Tokenizer(folders["byte_bpe"], "plain")
    assert plain.ending.token == plain.library.eos_token_id
    folder = shutil.copytree(folders["chat"], tmp_path / "turns")
    tokenizer = Tokenizer(folder, "chat")
    tokenizer.library.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    tokenizer.library.chat_template = tiny_models.CHAT_TEMPLATE.replace(
        "{{ message.content }}\n", "{{ message.content }}<|end|>\n"
    )
    assert tokenizer.ending.token == tokenizer.library.convert_tokens_to_ids("<|end|>")


def chat(folder, tmp_path, turn: str, special: bool | None, head: str = "") -> Tokenizer:
    """A tokenizer whose template writes a turn as `turn`; `<|stop|>` is an added token unless `special` is None."""
    import shutil

    from tokenizers import AddedToken

    tokenizer = Tokenizer(shutil.copytree(folder, tmp_path / "turns"), "chat")
    if special is not None:
        tokenizer.library.add_tokens([AddedToken("<|stop|>", special=special, normalized=False)])
    begin = "{% if add_generation_prompt %}<|assistant|>\n" + head + "{% endif %}"
    tokenizer.library.chat_template = "{{ bos_token }}{% for m in messages %}" + turn + "{% endfor %}" + begin
    return tokenizer


@pytest.mark.parametrize("content", ["{{ m.content }}", "{{ m.content | trim }}", "{{ m.content.strip() }}\n"])
@pytest.mark.parametrize("special", [True, False])
def test_the_end_of_a_turn_is_seen_where_messages_are_trimmed_and_however_it_is_listed(
    folders, tmp_path, content, special
):
    tokenizer = chat(folders["chat"], tmp_path, "<|{{ m.role }}|>\n" + content + "<|stop|>\n", special)
    stop = tokenizer.library.convert_tokens_to_ids("<|stop|>")
    assert stop not in tokenizer.library.all_special_ids or special
    assert tokenizer.ending.token == stop != tokenizer.library.eos_token_id


def test_a_template_without_an_end_of_turn_ends_with_the_text(folders, tmp_path):
    tokenizer = chat(folders["chat"], tmp_path, "{{ m.content }} table\n", True)
    assert tokenizer.ending.token == tokenizer.library.eos_token_id


def test_a_template_that_leaves_answers_out_or_fails_is_one_line(folders, tmp_path):
    turn = "{% if m.role == 'user' %}{{ m.content }}{% endif %}"
    with pytest.raises(SycoError, match=r"leaves answers out. Set prompt_style: plain"):
        _ = chat(folders["chat"], tmp_path / "one", turn, None).ending
    with pytest.raises(SycoError, match=r"cannot be used: .* Set prompt_style: plain"):
        _ = chat(folders["chat"], tmp_path / "other", "{{ m.content + 1 }}", None).ending


def test_an_answer_stands_where_the_template_of_a_thinking_model_puts_it(folders, tmp_path):
    """Its generation prompt opens a thought; the template writes a finished answer behind a closed one."""
    thought = "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    turn = "<|{{ m.role }}|>\n" + thought + "{{ m.content }}<|stop|>\n"
    tokenizer = chat(folders["chat"], tmp_path, turn, True, head="<think>\n")
    table = instruction_rows(1).rename({"instruction_id": "row_id"})
    row = token_audit.texts(tokenizer, table).row(0, named=True)
    assert row["prompt"].endswith("<|assistant|>\n<think>\n\n</think>\n\n") and row["completion"] == "table<|stop|>"
    messages = [{"role": "user", "content": table["prompt"][0]}, {"role": "assistant", "content": "table"}]
    whole = tokenizer.library.apply_chat_template(messages, tokenize=False)
    assert whole == f"{row['prompt']}{row['completion']}\n"
    audit = token_audit.examine(tokenizer, token_audit.texts(tokenizer, table), LONGEST)
    assert audit.rows["violation"].to_list() == [None]
