"""Lays out messages as a transcript that people can read and spans can point into.

``[2024-12-24 18:03] Ann: the message``, a line each (a message may have several). Chats and threads are
separated by a blank line; ``# Name`` names a chat, ``## Thread`` begins a thread.
"""

from __future__ import annotations

from collections import Counter

from datagen.core.names import name_key
from datagen.sources.chats.export import Export, Post
from datagen.sources.parsed import ChatOptions, Parsed, RawTurn, Unreadable
from datagen.sources.text import characters, normalise

THREAD = "## Thread"
NAMED = "# "
MOST_TURNS = 500_000  # of one file: more do not fit into an answer of the reader process
_NAME = 100  # characters of a name that are kept
_SHOWN = 20  # names shown where the right one is missing


def lay_out(export: Export, options: ChatOptions) -> Parsed:
    """The transcript of an export and the spans of its messages; messages without text go.

    Raises:
        Unreadable: ``empty``, ``too_large``, or ``me_not_found`` where nobody has the name ``options.me``.
    """
    drop = {message(text) for text in options.drop}
    left_out = Counter(export.left_out)
    spoken: Counter[str] = Counter()
    parts: list[str] = []
    turns: list[RawTurn] = []
    length = 0

    def put(text: str) -> None:
        nonlocal length
        parts.append(text)
        length += len(text)

    for section in export.sections:
        opened = False
        for post in section.posts:
            text = message(post.text)
            if not text or text in drop:
                left_out["chosen" if text else "empty"] += 1
                continue
            speaker = name(post.speaker)
            if not opened:
                put(("\n\n" if turns else "") + _heading(name(section.name), section.thread))
                opened = True
            else:
                put("\n")
            put(_head(post, speaker))
            time = post.time.isoformat(timespec="seconds") if post.time else ""
            turns.append((speaker, time, length, length + len(text)))
            put(text)
            spoken[speaker] += 1
        if len(turns) > MOST_TURNS:
            raise Unreadable("too_large", f"The chat has more than {MOST_TURNS:,} messages.")
    if not turns:
        raise Unreadable("empty", f"The {export.program} export holds no message with text{_counts(left_out)}.")
    me = name_key(options.me)
    if all(name_key(speaker) != me for speaker in spoken):
        raise Unreadable("me_not_found", _who(spoken, name(options.me)))
    heading = f"{export.program} chat: {len(turns):,} messages{_counts(left_out)}."
    return Parsed("".join(parts), "chat", turns=tuple(turns), notes=(heading, *export.notes))


def message(text: str) -> str:
    """A message's text as every document's text is, without white space around it."""
    if "\n" not in text:
        line = characters(text)
        if "\n" not in line:  # what else is normalised are ends of lines and empty ones
            return line.strip()
    try:
        return normalise(Parsed(text, "text"), max(len(text), 1) * 4).text.strip()
    except Unreadable:
        return ""


def name(text: str) -> str:
    """A name in one line, cut where it is too long to be one."""
    return " ".join(characters(text).split())[:_NAME].strip() or "?"


def _heading(title: str, thread: bool) -> str:
    named = f"{NAMED}{title}\n" if title != "?" else ""
    return named + (f"{THREAD}\n" if thread else "")


def _head(post: Post, speaker: str) -> str:
    when = f"[{post.time.isoformat(' ', 'minutes')}] " if post.time else ""
    return f"{when}{speaker}: "


def _counts(left_out: Counter[str]) -> str:
    found = [f"{count:,} {kind}" for kind, count in sorted(left_out.items()) if count]
    return f"; left out: {', '.join(found)}" if found else ""


def _who(spoken: Counter[str], me: str) -> str:
    names = [who for who, _ in sorted(spoken.items(), key=lambda item: (-item[1], item[0]))]
    shown = ", ".join(f"“{who[:40]}”" for who in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"Nobody in it is called “{me}”. Who wrote: {shown}{more}."
