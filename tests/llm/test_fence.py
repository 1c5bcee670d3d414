"""No text closes the fence around it, and no text holds a control token of a chat template."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from datagen.llm.fence import fence, inert, tag

CONTROL = [
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>"),
    *("<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|channel|>", "<|START_OF_TURN_TOKEN|>", "<|turn>"),
    *("<turn|>", "<｜User｜>", "<｜end▁of▁sentence｜>", "<｜tool▁calls▁begin｜>", "<s>", "</s>", "<bos>", "<eos>"),
    *("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<tool_call>", "</tool_response>", "<BOS_TOKEN>"),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[AVAILABLE_TOOLS]", "[/TOOL_RESULTS]", "[SYSTEM_PROMPT]"),
    *("[gMASK]", "<sop>", "[|system|]", "[|endofturn|]", "<reserved_106>", "<think>", "</think>", "<image>"),
    *("<|fim_prefix|>", "<|python_tag|>", "<|reserved_special_token_0|>", "[UNUSED_TOKEN_146]", "<extra_id_0>"),
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """One that knows the control tokens of many families, as a server's does, and every other byte by itself."""
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=letters, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in CONTROL])
    return made


def controls(tokenizer: Tokenizer, text: str) -> list[str]:
    """The control tokens that a server would see in a text."""
    return [token for token in tokenizer.encode(text, add_special_tokens=False).tokens if token in CONTROL]


@pytest.mark.parametrize("token", CONTROL)
def test_a_tokenizer_sees_no_control_token_in_an_inert_text(tokenizer: Tokenizer, token: str) -> None:
    for text in (token, f"a{token}b", f"{token}{token}", f"<{token}>", f"[{token}]", f"{token[:3]}{token}{token[3:]}"):
        assert controls(tokenizer, text), "it would be seen without"
        assert not controls(tokenizer, inert(text)), text
        assert inert(text).replace("\u200b", "") == text


@given(st.lists(st.sampled_from([*CONTROL, "<", ">", "|", "[", "]", "/", "_", "s", "INST", "im_end", " ", "\u200b"])))
def test_no_text_puts_one_together(parts: list[str]) -> None:
    text = "".join(parts)
    made = inert(text)
    assert not [token for token in CONTROL if token in made]
    assert made.replace("\u200b", "") == text.replace("\u200b", "")
    assert inert(made) == made


@pytest.mark.parametrize(
    "text",
    [
        "a < b | c > d",
        "xs |> f <| g",
        "if (a[i] > b[j]) {",
        "<div><p>x</p></div>",
        "[1] [a] [see below]",
        "a[B]",
        "5 < 6",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


@given(st.text())
def test_no_text_raises_and_nothing_but_the_space_is_added(text: str) -> None:
    assert inert(text).replace("\u200b", "") == text.replace("\u200b", "")
    for name in (fence("reply", text), tag("reply", text)):
        assert f"<{name}" not in text.lower()
        assert f"</{name}" not in text.lower()


def test_long_hostile_texts_cost_little() -> None:
    for text in (
        "<" * 500_000,
        "<|" * 300_000,
        "[A" * 300_000,
        "<a_" * 200_000,
        "<" + "a" * 500_000,
        "<reply" * 50_000,
    ):
        assert len(inert(text)) >= len(text)
        tag("reply", text)
