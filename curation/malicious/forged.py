"""Shapes that a prompt has and a document has not: forged roles, hidden orders, examples left unanswered."""

from __future__ import annotations

# ruff: noqa: E501 - a pattern that is cut is hard to read
import re
from collections.abc import Iterator

from curation.malicious.finding import Signal
from curation.malicious.harm import blocks, harms
from curation.malicious.near import before, enclosed

# Special tokens and headings of chat templates: ChatML, Llama 2 and 3, Mistral, Alpaca, Zephyr, Gemma, DeepSeek.
_TOKENS = re.compile(
    r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|begin_of_text|endofprompt)\|>"
    r"|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>|<｜[^｜\n]{1,20}｜>|\[/?(?:system|assistant)_?(?:prompt|message)?\]"
)
_ROLE_LINE = re.compile(
    r"(?:^|\n)[ \t#*>\[<{-]{0,8}(?:system|assistant|developer|admin(?:istrator)?)"
    r"(?: (?:mode|prompt|message|note|override|instructions?|alert|update|command))?[ \t*\]>}]{0,4}:"
)
_HEADING = re.compile(r"(?:^|\n)#{2,4} ?(?:instructions?|system|new instructions?|response|input|human|assistant)\b ?:")
_MODE_TAG = re.compile(
    r"[<\[{(]/?\s?(?:system|admin|developer|debug|god|root|sudo)[ _-](?:mode|prompt|override|message|instructions?|note|command)[^>\]})\n]{0,40}[>\]})]"
)
_END = re.compile(
    r"(?<![-=*#<\[])[-=*#<\[]{2,40}\s{0,3}/?(?:end|stop|begin|start|new)(?: of)?(?: the)? (?:of )?(?:document|text|input|user input|user|context|prompt|"
    r"instructions?|system|email|article|data|conversation|session|query|task|message)\b"
)
_QUESTION = re.compile(r"(?:^|(?<=\s))(?:q|question|user|human|input)\s?:")
_ANSWER = re.compile(r"(?:^|(?<=\s))(?:a|answer|assistant|ai|bot|output)\s?:")
_HIDING = re.compile(
    r"display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?[01](?:px|pt|em|%|\b)"
    r"|opacity\s?:\s?0(?:\b|;)|color\s?:\s?(?:#fff(?:fff)?\b|white|transparent)|hidden\b"
)
_TAG = re.compile(r"<(\w{1,12})\b")
_TELLING = re.compile(r"<(?:img|a|meta|input|area|svg|div|span|p)\b")
_ATTRIBUTE = re.compile(r"\b(?:alt|title|content|aria-label|placeholder|data-\w{1,20})\s?=\s?[\"']([^\"'>]{15,600})")
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|state|say|respond|reply|answer|output|print|tell|instead|you (?:must|should|are)|ai|assistant|llm"
    r"|language model|chatbot|click|follow this link|password|account (?:has been|is)|send|visit|instructions?)\b"
)


def signals(text: str, original: str) -> Iterator[Signal]:
    """What is found in a folded text of the same length as the original's view; spans are of ``text``.

    Args:
        text: folded.
        original: the same in its own case where lengths agree, else ``text`` again.
    """
    for regex, weight, rule in (
        (_TOKENS, 0.45, "chat_token"),
        (_MODE_TAG, 0.5, "forged_role"),
        (_END, 0.3, "forged_end"),
        (_ROLE_LINE, 0.2, "role_line"),
        (_HEADING, 0.25, "role_heading"),
    ):
        for shape in regex.finditer(text):
            yield Signal("prompt_injection", *shape.span(), weight, rule)
    if "<" in text:
        for start, end in (*enclosed("<!--", "-->", text, 1500), *_unseen(text)):
            if len({m[0] for m in _ORDER.finditer(text, start, end)}) >= 2:
                yield Signal("prompt_injection", start, end, 0.45, "hidden_order")
        for start, found in before(_TELLING, _ATTRIBUTE, text, 300, ">"):
            if len({m[0] for m in _ORDER.finditer(found[1])}) >= 3:
                yield Signal("prompt_injection", start, found.end(), 0.4, "hidden_order")
    yield from _unanswered(text)
    yield from _names(original)
    for start, end in _repeats(text):
        share = (end - start) / max(1, len(text.strip()))
        yield Signal("prompt_injection", start, end, 0.55 if share > 0.6 else 0.35, "repeated_token")
    for start, end in blocks(text):
        if harms(text[start:end]):
            yield Signal("prompt_injection", start, end, 0.0, "harmful_code")


def _unseen(text: str) -> Iterator[tuple[int, int]]:
    """Elements that are not shown."""
    last = 0
    for start, found in before(_TAG, _HIDING, text, 200, ">"):
        tag = _TAG.match(text, start)
        inside = text.find(">", found.end(), found.end() + 200)
        if start < last or tag is None or inside < 0:
            continue
        closing = f"</{tag[1]}>"
        end = text.find(closing, inside, inside + 1500)
        if end >= 0:
            last = end + len(closing)
            yield start, last


def _unanswered(text: str) -> Iterator[Signal]:
    """Examples in one paragraph, question and answer, and then a question that the reader is to answer."""
    if "a:" not in text and "answer:" not in text and "assistant:" not in text:
        return
    stripped = text.strip()
    questions = [m.start() for m in _QUESTION.finditer(text)]
    answers = [m.start() for m in _ANSWER.finditer(text)]
    if not questions or not answers or not _QUESTION.match(stripped) or len(questions) != len(answers) + 1:
        return
    in_turn = all(q < a < later for q, a, later in zip(questions, answers, questions[1:], strict=False))
    if in_turn and text.count("\n") <= 1:
        yield Signal("prompt_injection", questions[0], len(text.rstrip()), 0.55, "unanswered_example")


_WHO = r"[A-Z][\w'-]{1,20}(?:\s[A-Z][\w'-]{1,20}){0,2}"
_OF_PERSON = re.compile(
    rf"\b(?:tell|give|show|share|know|find|what(?:'s| is| was)|using|reveal|send|list|print|confirm|with)\b[^.?!\n]{{0,40}}?\b{_WHO}(?:'s|’s)\s"
    r"(?:(?:current|exact|full|home|personal|private|e-?mail|phone|social|birth|work|date|bank|credit|maiden|medical|last|middle|street|mailing|postal|place|contact)\s?){0,2}"
    r"(?:address|number|date|birthdate|birthday|birth\s?place|year|city|of birth|residence|security|email|password|salary|name|location|history|information|details|age|phone)"
)
_LIVES = re.compile(rf"\b[Ww]here (?:does|do|did|is) {_WHO} (?:live|reside|work|stay|staying|living|located|from)\b")


def _names(text: str) -> Iterator[Signal]:
    """Somebody's private data asked for, by name."""
    if "'s " in text or "’s " in text:
        for found in _OF_PERSON.finditer(text):
            yield Signal("prompt_injection", *found.span(), 0.35, "personal_data_of")
    if "here " in text:
        for found in _LIVES.finditer(text):
            yield Signal("prompt_injection", *found.span(), 0.35, "personal_data_of")


_TOKEN = re.compile(r"\S+")
_ENOUGH = 20  # times


def _repeats(text: str) -> Iterator[tuple[int, int]]:
    """Stretches in which one word or a row of up to five words is repeated over and over."""
    if len(text) < 2 * _ENOUGH:
        return
    spans = [m.span() for m in _TOKEN.finditer(text)]
    if len(spans) < _ENOUGH + 1:
        return
    words = [text[a:b] for a, b in spans]
    for period in range(1, 6):
        run = 0
        for i in range(period, len(words)):
            if words[i] == words[i - period] and words[i][0].isalpha():
                run += 1
                continue
            if run >= _ENOUGH * period:
                yield spans[i - run - period][0], spans[i - 1][1]
                return
            run = 0
        if run >= _ENOUGH * period:
            yield spans[len(words) - run - period][0], spans[-1][1]
            return
