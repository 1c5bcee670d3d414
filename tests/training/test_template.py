"""A template is kept where its replies can be found, replaced where that is safe, and refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.chat_templates import FIT, FOLDS, MARKED, UNFIT, with_template
from training import layout, template, tiny
from training.errors import TrainingError

transformers = pytest.importorskip("transformers")

TALK = ({"role": "user", "content": "Who?"}, {"role": "assistant", "content": "She."})
ENDS = {
    "headers": "<|eot|>", "brackets": "</s>", "system-last": "</s>", "turns": "</turn>", "system-dropped": "<|end|>",
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.make(folder, ["Who is it? She is.\n" * 30], vocabulary=400, hidden=32, layers=1, context=128)
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("name", FIT)
def test_a_template_that_works_is_kept(base: Any, name: str) -> None:
    tokenizer = with_template(base, FIT[name])
    made = template.prepare(tokenizer)
    assert tokenizer.chat_template == FIT[name]
    assert made.source == "own"
    assert made.marked == (name == "marked")
    assert made.folded == (name in FOLDS)
    assert made.end == ENDS.get(name, "<|im_end|>")
    assert tokenizer.decode([made.end_id]) == made.end.strip()
    assert ("system message" in made.said) == (name in FOLDS)
    assert ("middle" in made.said) == (name == "thinking")


@pytest.mark.parametrize("name", UNFIT)
def test_a_template_that_does_not_is_refused(base: Any, name: str) -> None:
    tokenizer = with_template(base, UNFIT[name])
    with pytest.raises(TrainingError) as refused:
        template.prepare(tokenizer)
    assert "chat template" in refused.value.what
    assert "{% generation %}" in refused.value.fix
    assert tokenizer.chat_template == UNFIT[name]


def test_marks_without_the_end_of_the_turn_are_not_believed(base: Any) -> None:
    outside = MARKED.replace(
        "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}",
        "{{ m['content'] }}{% endgeneration %}{{ '<|im_end|>' }}",
    )
    assert outside != MARKED
    tokenizer = with_template(base, outside)
    made = template.prepare(tokenizer)
    assert not made.marked
    found = layout.render([TALK], tokenizer, layout.find(tokenizer))[0]
    assert isinstance(found, layout.Rendered)
    assert [found.text[a:b] for a, b in found.spans] == ["She.<|im_end|>"]


def test_a_base_without_template_is_given_one_without_new_tokens(base: Any) -> None:
    tokenizer = with_template(base, None)
    before = len(tokenizer)
    made = template.prepare(tokenizer)
    assert (made.source, made.marked, made.end) == ("chatml", True, "<|im_end|>")
    assert tokenizer.eos_token == "<|im_end|>"
    assert "ChatML" in made.said
    assert len(tokenizer) == before


def test_a_base_without_chatml_tokens_is_given_words(base: Any) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    core = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1}, "<unk>"))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Whitespace(), decoders.Fuse()
    plain = transformers.PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", eos_token="</s>")
    made = template.prepare(plain)
    assert (made.source, made.end) == ("plain", "</s>")
    assert "User:" in made.said
    assert len(plain) == 2
    text = plain.apply_chat_template(list(TALK), tokenize=False)
    assert text == "User:\nWho?\n\nAssistant:\nShe.</s>\n\n"
    core.post_processor = processors.TemplateProcessing("</s> $A", special_tokens=[("</s>", 1)])
    starting = transformers.PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", eos_token="</s>")
    starting.bos_token = "</s>"
    template.prepare(starting)
    assert starting.apply_chat_template(list(TALK), tokenize=False) == "</s>" + text
    endless = transformers.PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
    endless.eos_token = None
    with pytest.raises(TrainingError, match="no end-of-text token"):
        template.prepare(endless)


def test_a_file_takes_the_place_of_the_own_template(base: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(FIT["headers"], encoding="utf-8")
    tokenizer = with_template(base, FIT["chatml"])
    made = template.prepare(tokenizer, str(file))
    assert (made.source, made.end) == ("file", "<|eot|>")
    assert tokenizer.chat_template == FIT["headers"]
    with pytest.raises(TrainingError, match="cannot be read"):
        template.prepare(tokenizer, str(tmp_path / "none.jinja"))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(TrainingError, match="not UTF-8"):
        template.prepare(tokenizer, str(file))
    file.write_text(UNFIT["no-end"], encoding="utf-8")
    with pytest.raises(TrainingError, match=r"mine\.jinja"):
        template.prepare(tokenizer, str(file))


def test_named_templates_give_the_default_one(base: Any) -> None:
    tokenizer = with_template(base, FIT["chatml"])
    tokenizer.chat_template = {"default": FIT["chatml"], "tool_use": UNFIT["no-end"]}
    template.prepare(tokenizer)
    assert tokenizer.chat_template == FIT["chatml"]


def test_a_well_known_template_that_is_not_stable_is_replaced_by_its_training_form(base: Any) -> None:
    trl = pytest.importorskip("trl.chat_template_utils")
    tokenizer = with_template(base, trl.qwen3_chat_template)
    made = template.prepare(tokenizer)
    assert made.source == "trl"
    assert made.marked
    assert "TRL" in made.said
    assert tokenizer.chat_template == trl.qwen3_training_chat_template


@pytest.mark.parametrize("name", ["llama3", "gemma", "gemma3", "phi3", "qwen2_5", "qwen3_instruct_2507", "cohere"])
def test_well_known_templates_are_kept(base: Any, name: str) -> None:
    """As TRL carries them; their control tokens are added here, for the tiny tokenizer has none of them."""
    import re

    from tokenizers import AddedToken

    trl = pytest.importorskip("trl.chat_template_utils")
    text = getattr(trl, f"{name}_chat_template")
    tokenizer = with_template(base, text)
    tokens = set(re.findall(r"<\|[a-zA-Z_]+\|>|<(?:start|end)_of_turn>", text))
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in sorted(tokens)])
    made = template.prepare(tokenizer)
    assert (made.source, made.marked) == ("own", False)
    found = layout.render([TALK * 2], tokenizer, layout.find(tokenizer))[0]
    assert isinstance(found, layout.Rendered)
    assert [found.text[a:b] for a, b in found.spans] == ["She." + made.end] * 2


def test_a_slow_tokenizer_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(TrainingError, match="tokenizer"):
        template.prepare(Slow())


@pytest.mark.parametrize("name", FIT)
def test_prompts_end_where_a_reply_begins(base: Any, name: str) -> None:
    tokenizer = with_template(base, FIT[name])
    told = ({"role": "system", "content": "Be kind."}, *TALK, {"role": "user", "content": "Why?"})
    prompt = template.prompts([told], tokenizer)[0]
    assert "Be kind." in prompt
    reply = {"role": "assistant", "content": "Because."}
    found = layout.render([(*told, reply)], tokenizer, layout.find(tokenizer))[0]
    assert isinstance(found, layout.Rendered)
    assert found.text[: found.spans[-1][0]] == prompt


def test_a_prompt_that_cannot_be_written_is_one_sentence(base: Any) -> None:
    tokenizer = with_template(base, FIT["brackets"])
    with pytest.raises(TrainingError, match="alternate"):
        template.prompts([(*TALK[:1], *TALK[:1])], tokenizer)


def test_a_date_in_the_template_is_the_same_every_day(base: Any) -> None:
    dated = "{% if not date_string is defined %}{% set date_string = strftime_now('%s') %}{% endif %}{{ date_string }}"
    tokenizer = with_template(base, dated + FIT["chatml"])
    assert "date" not in template.prepare(tokenizer).said
    assert template.prompts([TALK[:1]], tokenizer)[0].startswith("26 Jul 2024<|im_start|>")
    found = layout.render([TALK], tokenizer, layout.find(tokenizer))[0]
    assert isinstance(found, layout.Rendered)
    assert found.text.startswith("26 Jul 2024<|im_start|>")
    tokenizer.chat_template = "{{ strftime_now('%Y') }}" + FIT["chatml"]
    assert "today's date" in template.prepare(tokenizer).said


@pytest.mark.parametrize(
    "fault", ["{{ 1 / 0 }}", "{{ ''.__class__.mro() }}", "{% for i in range(10 ** 9) %}{% endfor %}"]
)
def test_a_template_that_fails_in_any_way_is_one_sentence(base: Any, fault: str) -> None:
    with pytest.raises(TrainingError, match="refuses it"):
        template.prepare(with_template(base, fault + FIT["chatml"]))
