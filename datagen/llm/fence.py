"""Fences around hostile text in a prompt."""

from __future__ import annotations

import re

from datagen.core.hashing import digest

_OPENING = "<\uff1c\u2039\u2329\u3008"
_NAME = "[^\\s<>\\[\\]|\uff5c\u200b]{1,64}"
_SHORT = "s|bos|eos|pad|unk|mask|cls|sep|sop|eop|eoh|eoa|eom|eot|think|tools|image|img|audio|video|<SYS>|</SYS>"
_CONTROL = re.compile(
    rf"[<\[](?=[|\uff5c]{_NAME}[|\uff5c]?[>\]])"  # <|im_end|>, <|turn>, [|endofturn|]
    rf"|[<\[](?={_NAME}[|\uff5c][>\]])"  # <turn|>
    r"|<(?=/?[A-Za-z0-9]{1,32}(?:_[A-Za-z0-9]{1,32}){1,6}>)"  # <start_of_turn>, </tool_call>
    rf"|<(?=/?(?:{_SHORT})>)"
    r"|\[(?=/?[a-z]?[A-Z][A-Z0-9]{1,31}(?:_[A-Z0-9]{1,32}){0,6}\])"  # [INST], [/TOOL_RESULTS], [gMASK]
)


def fence(name: str, text: str) -> str:
    """A tag name that the text cannot close: ``name``, or ``name-HASH`` where the text holds that tag.

    The hash depends on the text, so whoever writes the text cannot know it without changing it.
    """
    tag = name
    lowered = text.lower()
    while f"<{tag}" in lowered or f"</{tag}" in lowered:
        tag = f"{name}-{digest([tag, text], 10)}"
    return tag


def tag(name: str, text: str) -> str:
    """As :func:`fence`, and a name that the text does not even seem to close, in whatever spelling a model may take
    for a tag: ``< /name >``, ``＜/NAME``."""
    opens = any(sign in text for sign in _OPENING)
    if opens and re.search(rf"[{_OPENING}][\W_]{{0,8}}{name}", text, re.IGNORECASE):
        text = f"{text}<{name}>"  # has the fence take a name with a hash
    return fence(name, text)


def inert(text: str) -> str:
    """``text`` with an invisible space (U+200B) inside everything that chat templates use as a control token.

    A server writes messages into its chat template and reads the whole with a tokenizer that takes ``<|im_end|>`` for
    the end of a turn wherever it stands, so that a text could end the question and forge a turn of the system. No tag
    can hold that: with the space in it, it is a few plain letters, that read as before. Found by their form, because
    each family of models has its own: a name between ``<|`` and ``|>`` (one bar is enough, and brackets may be
    square), ``<with_underscores>``, ``[CAPITALS]`` and a few short ones.
    """
    return _CONTROL.sub("\\g<0>\u200b", text) if "<" in text or "[" in text else text
