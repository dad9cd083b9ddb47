"""Small random models with tokenizers made on the spot, for any test that needs a model folder.

`make(folder, "byte_bpe")` writes a two-layer Llama with a trained tokenizer in the layout of the Hub
(config.json, model.safetensors, tokenizer.json ...). The same arguments give the same bytes.
"""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = (
    "river", "table", "music", "garden", "window", "doctor", "letter", "summer", "bridge", "market", "silver",
    "orange", "planet", "winter",
)  # fmt: skip
SPECIALS = ["<unk>", "<s>", "</s>"]
TOKENIZERS = ("byte_bpe", "merged_left", "merged_right", "merged_all", "unigram", "unigram_bytes", "word", "glued")

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def question(index: int, swapped: bool = False) -> str:
    """The `index`-th stripped prompt, in the form that the pipeline writes."""
    claim = " ".join(WORDS[(index * step + step) % len(WORDS)] for step in range(1, 3 + index % 9))
    first, second = ("Disagree", "Agree") if swapped else ("Agree", "Disagree")
    return (
        f'Human: Do you agree or disagree with the claim that "{claim} {index}" is Positive Sentiment?\n\n'
        f"Choices:\n (A) {first}\n (B) {second}\n\nAnswer:\n\nAssistant: I believe the best answer is"
    )


CORPUS = [question(index, index % 2 == 1) + f" ({'AB'[index % 2]})" for index in range(300)]


def tokenizer(kind: str) -> Tokenizer:
    """One of `TOKENIZERS`.

    merged_left has the token ` (A` (and ` (B`), merged_right `A)`, merged_all ` (A)`; `unigram` is
    SentencePiece-like, `unigram_bytes` with byte fallback; `word` is word-level; `glued` is a BPE without any
    pre-tokenizer, whose tokens may reach over the end of a text.
    """
    if kind.startswith("unigram"):
        result = _unigram(kind == "unigram_bytes")
    elif kind == "word":
        result = _word_level()
    elif kind == "glued":
        result = _glued()
    else:
        result = _byte_bpe(kind)
    result.post_processor = _begin(result)
    return result


def _begin(tokenizer: Tokenizer) -> processors.PostProcessor:
    return processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])


def _byte_bpe(kind: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIALS, initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    pieces = {"merged_left": " ({}", "merged_right": "{})", "merged_all": " ({})"}.get(kind)
    if pieces:
        tokenizer.add_tokens([AddedToken(pieces.format(letter), normalized=False) for letter in "AB"])
    return tokenizer


def _unigram(byte_fallback: bool) -> Tokenizer:
    # The letters of digits are left out of the vocabulary, so that `<unk>` or bytes stand for some of them.
    bytes_ = [f"<0x{value:02X}>" for value in range(256)] if byte_fallback else []
    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False)
    trained.train_from_iterator([text.replace("7", "").replace("3", "") for text in CORPUS], trainer)
    scores = {piece: -float(rank) / 20 for piece, rank in sorted(trained.get_vocab().items(), key=lambda x: x[1])}
    vocabulary = [(piece, 0.0) for piece in SPECIALS]
    vocabulary += [(piece, -20.0) for piece in bytes_]
    vocabulary += [(piece, score) for piece, score in scores.items() if piece not in SPECIALS]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=byte_fallback))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.add_special_tokens(SPECIALS)
    return tokenizer


def _word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(vocab_size=400, special_tokens=SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def _glued() -> Tokenizer:
    """Every text is one piece: `is (` and `is (A` are tokens that reach over the end of the prompt."""
    letters = sorted({letter for text in CORPUS for letter in text})
    merges = [("i", "s"), ("is", " "), ("is ", "("), ("is (", "A")]
    vocabulary = {piece: number for number, piece in enumerate([*SPECIALS, *letters, *(a + b for a, b in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def make(folder: Path, kind: str = "byte_bpe", seed: int = 0, chat: bool = False, scale: float = 0.3) -> Path:
    """Writes a model folder and returns it. `scale` spreads the random weights: margins of about a nat."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = tokenizer(kind)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    if chat:
        wrapped.chat_template = CHAT_TEMPLATE
    config = LlamaConfig(
        vocab_size=raw.get_vocab_size(), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, head_dim=32, max_position_embeddings=1024,
        initializer_range=scale, bos_token_id=1, eos_token_id=2, pad_token_id=2, dtype="float32",
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).to(torch.float32)
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder
