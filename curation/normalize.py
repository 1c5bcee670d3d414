"""Unicode and white space of message contents, made plain; code blocks stay as they are."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from datagen.core.record import AnyRecord, Message, Sample
from datagen.core.stage import Map, Shard

MAX_BLANK_LINES = 2

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Control characters but tab and newline, soft hyphen, zero-width space and no-break, word joiner, direction marks and
# overrides, interlinear and tag characters, noncharacters: nothing a reader sees, and a way to hide text from a
# reviewer.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# What the zero-width joiner and non-joiner may stand between: Arabic script (Persian), Syriac to Indic and Khmer,
# Mongolian, emoji with their modifiers and variation selector (UAX #31, UTS #51).
_JOINABLE = (
    "\u0600-\u08ff\u0900-\u0dff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1800-\u18af\ufb50-\ufdcf\ufe0f\ufe70-\ufefe"
    "\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
)
_JOINERS = re.compile(f"(?P<kept>(?<=[{_JOINABLE}])[\u200c\u200d](?=[{_JOINABLE}]))|[\u200c\u200d]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def normalize_text(text: str) -> str:
    """NFC (UAX #15), ``\\n`` line ends, nothing invisible, plain spaces, no blanks at line ends or blank lines at
    the ends, at most :data:`MAX_BLANK_LINES` in a row. Inside Markdown code fences only the line ends change.

    Joiners stay between characters of scripts that use them and inside emoji. Normalising a second
    time changes nothing.
    """
    out: list[str] = []
    fence = ""
    blank = 0
    for raw in _LINE_ENDS.sub("\n", text).split("\n"):
        if fence:
            out.append(_SURROGATES.sub("\ufffd", raw))
            mark = _FENCE.match(raw)
            if mark and mark[1].startswith(fence) and not raw.strip(" \t" + fence[0]):
                fence = ""
            continue
        line = _line(raw)
        blank = 0 if line else blank + 1
        if blank > MAX_BLANK_LINES:
            continue
        out.append(line)
        if mark := _FENCE.match(line):
            fence = mark[1]
            blank = 0
    return "\n".join(out).strip("\n")


def _line(raw: str) -> str:
    if raw.isascii():
        return _INVISIBLE.sub("", raw).rstrip(" \t")
    line = _INVISIBLE.sub("", _SURROGATES.sub("\ufffd", raw))
    line = unicodedata.normalize("NFC", _SPACES.sub(" ", line))
    if "\u200c" in line or "\u200d" in line:
        line = unicodedata.normalize("NFC", _JOINERS.sub(lambda m: m["kept"] or "", line))
    return line.rstrip(" \t")


class Normalize(Map):
    """Normalises the messages of samples; ids stay.

    A reply that is one of the sample's own quotes stays as it stands in the document, which was
    normalised when it was read: ``answer == document.text[start:end]`` must go on holding.
    """

    name = "normalize"
    version = 1
    produces = "sample"

    def fingerprint(self) -> dict[str, Any]:
        return {"unicode": unicodedata.unidata_version}

    def run(self, shard: Shard) -> list[AnyRecord]:
        return [_normalized(r) if isinstance(r, Sample) and r.verdict is None else r for r in shard]


def _normalized(sample: Sample) -> Sample:
    quotes = {quote.text for quote in sample.lineage.quotes}
    messages = tuple(_message(message, quotes) for message in sample.messages)
    update: dict[str, Any] = {}
    if messages != sample.messages:
        update["messages"] = messages
    if sample.rejected is not None:
        content = normalize_text(sample.rejected.content)
        if content != sample.rejected.content:
            update["rejected"] = sample.rejected.model_copy(update={"content": content})
    return sample.model_copy(update=update) if update else sample


def _message(message: Message, quotes: set[str]) -> Message:
    if message.content in quotes:
        return message
    content = normalize_text(message.content)
    return message if content == message.content else message.model_copy(update={"content": content})
