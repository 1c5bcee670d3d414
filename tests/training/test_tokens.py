"""Replies are found whatever kind of tokenizer a base has: its own ideas of spaces, bytes and offsets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.training.chat_templates import FIT, TOKENS
from training import encode, template, tiny
from training.rows import Row

transformers = pytest.importorskip("transformers")

TEXT = ["Who is it?\n She is the clerk.\n The batch  ended, été 1.5 <think> </think>\n"] * 30


def bytes_of(trim: bool) -> Tokenizer:
    """As GPT-2 and Qwen have it; with ``trim`` the offsets leave out space, as GPT-NeoX has it."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=trim)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    return made


def underscores() -> Tokenizer:
    """As Llama 2 and the first Mistral have it: one underscore put before every piece, bytes for what is unknown."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    known = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=500, special_tokens=known, show_progress=False))
    written = json.loads(made.to_str())
    written["added_tokens"] = written["added_tokens"][:1]  # the bytes are no control tokens
    made = Tokenizer.from_str(json.dumps(written))
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return made


def pieces() -> Tokenizer:
    """As Gemma's and T5's kind has it: a unigram model behind a normaliser that changes lengths."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    trainer = trainers.UnigramTrainer(vocab_size=60, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    made.train_from_iterator(TEXT, trainer)
    return made


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "bytes": lambda: bytes_of(False),
    "bytes-trimmed": lambda: bytes_of(True),
    "underscores": underscores,
    "pieces": pieces,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FIT)
def test_replies_are_found(kind: str, name: str) -> None:
    tokenizer: Any = transformers.PreTrainedTokenizerFast(tokenizer_object=KINDS[kind]())
    special = [*TOKENS, tiny.START, tiny.END]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.chat_template = "<s>", "</s>", FIT[name]
    prepared = template.prepare(tokenizer)
    asked = ["Who is it?", " Who ", "Who\n"]
    replies = ["She is the clerk.", "\nThe batch  ended", " ended, été \n"]
    rows = [
        Row(a, ({"role": "user", "content": a}, {"role": "assistant", "content": b}), "", "", "x:1")
        for a, b in zip(asked, replies, strict=True)
    ]
    made = encode.encode_sft(rows, tokenizer, 0)
    assert made.ids == asked
    for ids, mask, reply in zip(made.input_ids, made.assistant_masks, replies, strict=True):
        learned = [token for token, m in zip(ids, mask, strict=True) if m]
        assert learned[-1] == prepared.end_id
        said = tokenizer.decode(learned[:-1])
        if name == "thinking":
            assert "think" in said.partition("\n\n")[0]
            said = said.rpartition("\n\n")[2]
        assert said.strip() == reply.strip()


def test_numbers_of_tokens_beyond_the_size_of_a_vocabulary_are_kept() -> None:
    tokenizer: Any = transformers.PreTrainedTokenizerFast(tokenizer_object=bytes_of(False))
    from training.tokens import Pool

    assert Pool(tokenizer).shared([0, 10_000, 3]) == [0, 10_000, 3]
