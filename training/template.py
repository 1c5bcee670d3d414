"""A tokenizer's chat template, made fit for training, or refused: each reply and its end must be found in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training import layout
from training.errors import TrainingError
from training.rows_formats import Messages
from training.tiny import CHATML, END, START

PLAIN = (
    "{%- for message in messages %}"
    "{%- if message['role'] == 'assistant' %}"
    "{{- 'Assistant:\\n' }}{%- generation %}{{- message['content'] + eos_token }}{%- endgeneration %}{{- '\\n\\n' }}"
    "{%- elif message['role'] == 'system' %}{{- message['content'] + '\\n\\n' }}"
    "{%- else %}{{- 'User:\\n' + message['content'] + '\\n\\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- 'Assistant:\\n' }}{%- endif %}"
)
"""For a base without chat template and without ChatML's tokens: words that it knows, and the end it was trained on."""


Source = Literal["own", "file", "trl", "chatml", "plain"]


@dataclass(frozen=True)
class Prepared:
    """What :func:`prepare` found or gave.

    Attributes:
        source: ``own`` (the tokenizer's), ``file`` (the user's), ``trl`` (TRL's training form of a known template),
            ``chatml`` or ``plain`` (given to a base that had none).
        marked: the template itself marks replies; else they are found by rendering.
        folded: a system message goes into the first user's text, because the template takes none.
        end: the text that ends a reply; ``end_id`` is its token, on which generating must stop.
        said: what a user should know, one sentence or more; empty where nothing was changed.
    """

    source: Source
    marked: bool
    folded: bool
    end: str
    end_id: int
    said: str


def prepare(tokenizer: Any, path: str = "") -> Prepared:
    """Make sure that replies, with the token that ends them, can be found in what the tokenizer's template writes.

    The template is kept as it is wherever that can be verified, with ``{% generation %}`` marks or without. Where
    it cannot, or where a reply is written otherwise in the middle of a conversation than at its end, TRL's training
    form of the same template is taken. A base without template gets ChatML if it has ChatML's two tokens, else
    plain words ended by its own end-of-text token: tokens are never added, for under LoRA they stay untrained.

    Args:
        tokenizer: changed in place (``chat_template``; with ChatML given, ``eos_token``).
        path: a Jinja file to use in place of the tokenizer's own template.

    Raises:
        TrainingError: no template can be used, or the tokenizer gives no offsets of characters.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise TrainingError(
            "This tokenizer cannot be used.",
            "It does not say which characters a token stands for, so the replies cannot be told from the prompts.",
            "Take a base whose folder has a tokenizer.json.",
        )
    source, said = _give(tokenizer, path)
    try:
        found = layout.find(tokenizer)
        why = "" if found.marked or found.stable else "it writes a reply otherwise in the middle of a conversation"
    except layout.NoLayout as error:
        found, why = None, str(error)
    if why and (other := _trained_form(tokenizer)) is not None:
        found, source = other, "trl"
        said += " The template was replaced by TRL's training form of it, which marks each reply."
    if found is None:
        raise TrainingError(
            "The base's chat template cannot be used for training." if not path else f"{path} cannot be used.",
            why,
            "Give one with {% generation %} around each reply by --set chat_template=FILE.jinja, or take another base.",
        )
    if found.folded:
        said += " The template takes no system message: it goes before the first user's text."
    if "strftime_now" in tokenizer.chat_template and "date_string" not in tokenizer.chat_template:
        said += " The template writes today's date: on another day the same rows give other tokens."
    if why and source != "trl":
        said += " Replies in the middle of a conversation are learned as the template writes them there."
    return Prepared(source, found.marked, found.folded, found.end, found.end_id, said.strip())


def prompts(conversations: Sequence[Messages], tokenizer: Any) -> list[str]:
    """Conversations as text up to where a reply begins, for a prepared tokenizer.

    Raises:
        TrainingError: the template refuses one of them.
    """
    try:
        folded = layout.find(tokenizer).folded
        return layout.write([layout.fold(m) if folded else m for m in conversations], tokenizer, ask=True)
    except layout.NoLayout as error:
        raise TrainingError(
            "A prompt cannot be written.", str(error), "Let turns of user and assistant alternate, a user's last."
        ) from error


def _give(tokenizer: Any, path: str) -> tuple[Source, str]:
    """See to it that there is some template, as one text."""
    if path:
        try:
            tokenizer.chat_template = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise TrainingError(
                f"The chat template {path} cannot be read.", f"{why}.", "Give a Jinja file by --set chat_template=FILE."
            ) from error
        return "file", f"The chat template is {path}."
    own = tokenizer.chat_template
    if isinstance(own, dict):
        own = own.get("default")
        tokenizer.chat_template = own
    if own:
        return "own", ""
    known = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    if {START, END} <= known:
        tokenizer.chat_template = _opening(tokenizer) + CHATML
        tokenizer.eos_token = END
        return "chatml", f"The base has no chat template: it is given ChatML, and a reply ends with {END}."
    if tokenizer.eos_token is None:
        raise TrainingError(
            "The base has no chat template.",
            "It has no end-of-text token either, so a model could not learn to stop.",
            "Give a template by --set chat_template=FILE.jinja, or take another base.",
        )
    tokenizer.chat_template = _opening(tokenizer) + PLAIN
    return "plain", (
        "The base has no chat template and none of ChatML's tokens: turns begin with User: and Assistant:, and a "
        f"reply ends with {tokenizer.eos_token}."
    )


def _opening(tokenizer: Any) -> str:
    """The token that the base saw at the start of every text, where its tokenizer puts one."""
    ids = tokenizer("a")["input_ids"]
    return "{{- bos_token }}" if tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id else ""


def _trained_form(tokenizer: Any) -> layout.Layout | None:
    """TRL's training form of a well-known template, if it has one and replies are found in that."""
    own = tokenizer.chat_template
    try:
        from trl.chat_template_utils import get_training_chat_template

        form = get_training_chat_template(tokenizer)
        if form is None:
            return None
        tokenizer.chat_template = form
        found = layout.find(tokenizer)
    except Exception:  # it runs the template, a program of others; one it does not know is a ValueError
        found = None
    if found is None or not found.marked:
        tokenizer.chat_template = own
        return None
    return found
