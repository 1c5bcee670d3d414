"""Chat templates of the kinds that are in use, written for the tests: how they frame turns, not anybody's text."""

from __future__ import annotations

import copy
from typing import Any

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe of use.<|im_end|>\n' }}{% endif %}" + CHATML
)
MARKED = CHATML.replace(
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}",
    "{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + "
    "'<|im_end|>' }}{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}",
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|head|>' + m['role'] + '<|/head|>\n\n' }}"
    "{{ m['content'] | trim + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}"
)
BRACKETS = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
SYSTEM_LAST = (
    "{% if messages[0]['role'] == 'system' %}{% set told = messages[0]['content'] + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set told = '' %}{% set turns = messages %}{% endif %}{{ bos_token }}"
    "{% for m in turns %}{% if m['role'] == 'user' %}{{ '[INST] ' }}"
    "{% if loop.last or loop.index0 == turns|length - 2 %}{{ told }}{% endif %}"
    "{{ m['content'] + '[/INST]' }}{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
TURNS = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<turn>' + role + '\n' + m['content'] | trim + '</turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}"
)
SYSTEM_DROPPED = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<|user|>\n' + m['content'] + '<|end|>\n' }}"
    "{% elif m['role'] == 'assistant' %}{{ '<|bot|>\n' + m['content'] + '<|end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|bot|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
THINKING = (  # thoughts stand open before the last reply alone
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
FIT = {
    "chatml": CHATML, "default-system": DEFAULT_SYSTEM, "marked": MARKED, "headers": HEADERS, "brackets": BRACKETS,
    "system-last": SYSTEM_LAST, "turns": TURNS, "system-dropped": SYSTEM_DROPPED, "thinking": THINKING,
}  # fmt: skip
TRIMS = {"headers", "turns"}
FOLDS = {"brackets", "turns", "system-dropped"}

UNFIT = {
    "no-end": "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
    "end-in-the-middle-alone": "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}"
    "{% if not loop.last %}{{ '<|end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|end|><|assistant|>"
    "{% endif %}",
    "texts-left-out": "{% for m in messages %}{{ m['role'] + '<|end|>' }}{% endfor %}",
    "asks-otherwise": CHATML.replace("<|im_start|>assistant\n' }}{% endif", "<|im_start|>helper\n' }}{% endif"),
    "text-behind": CHATML.replace("m['content'] + '<|im_end|>", "m['content'] + ' (said) <|im_end|>"),
    "refuses-all": "{{ raise_exception('no') }}",
    "no-jinja": "{% for m in messages %}",
    "no-list": "{{ messages.content.text.value }}",
}
TOKENS = (
    "<s>", "</s>", "<|head|>", "<|/head|>", "<|eot|>", "<turn>", "</turn>", "<|user|>", "<|bot|>", "<|end|>", "[INST]",
    "[/INST]", "<|assistant|>",
)  # fmt: skip


def with_template(base: Any, template: str | None) -> Any:
    """A copy of a tokenizer that knows all control tokens of these templates."""
    from tokenizers import AddedToken

    tokenizer = copy.deepcopy(base)
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in TOKENS])
    tokenizer.bos_token, tokenizer.eos_token = "<s>", "</s>"
    tokenizer.chat_template = template
    return tokenizer
