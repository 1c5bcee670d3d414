"""A chat template in the form that Ollama takes (Go's text/template), found by asking the model's own template.

The template is rendered for a few short conversations; what stands around their texts gives the pieces of a turn.
The form is used only where it renders a dozen other conversations to exactly the text of the template itself:
ChatML, Llama, Gemma, Mistral and most others pass; one that depends on more than role and text does not, and that is
said. Source of the form: Ollama, docs/template.md and docs/modelfile.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Turns = Sequence[Mapping[str, str]]
Render = Callable[[Turns, bool], str | None]
"""Messages and whether a reply is to follow → text, or None where the template refuses them."""

_SYSTEM, _FIRST, _REPLY, _SECOND = "quartz rule", "amber ask", "cobalt say", "violet ask"


class NoForm(Exception):
    """Why there is no such form, a sentence."""


@dataclass(frozen=True)
class Form:
    """The pieces of a conversation.

    Attributes:
        default: what stands first where there is no system message (a default one, or "").
        head: what stands first where there is one.
        system, user, assistant: before and after a text of that role.
        ask: what comes before the reply that is to be written.
        where: the system message is a turn of its own, or stands before the text of the first or the last user turn
            (``system[1]`` is then what parts the two); None: the template takes none.
    """

    default: str
    head: str
    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    ask: str
    where: Literal["turn", "first", "last"] | None

    def render(self, turns: Turns) -> str:
        """A conversation that ends with the user, as Go would render it."""
        said = next((t["content"] for t in turns if t["role"] == "system"), "")
        text = self.head if said else self.default
        users = [i for i, t in enumerate(turns) if t["role"] == "user"]
        for i, turn in enumerate(turns):
            if turn["role"] == "system":
                if self.where == "turn":
                    text += self.system[0] + turn["content"] + self.system[1]
                continue
            before, after = self.user if turn["role"] == "user" else self.assistant
            text += before
            here = {"first": users[0], "last": users[-1]}.get(self.where or "", -1)
            if said and i == here:
                text += said + self.system[1]
            text += turn["content"] + after
        return text + self.ask

    def go(self) -> str:
        """The same as a Go template over ``.Messages`` and ``.System``."""
        start = f"{{{{ if .System }}}}{self.head}{{{{ else }}}}{self.default}{{{{ end }}}}"
        if self.head == self.default:
            start = self.head
        put = "{{ if and $.System %s }}{{ $.System }}" + self.system[1] + "{{ end }}"
        inside = system = after = ""
        if self.where == "turn":
            system = '{{ if eq .Role "system" }}' + self.system[0] + "{{ .Content }}" + self.system[1] + "{{ end }}"
        elif self.where == "first":
            start += "{{ $first := true }}"
            inside, after = put % "$first", "{{ $first = false }}"
        elif self.where == "last":
            start += '{{ $last := -1 }}{{ range $i, $m := .Messages }}{{ if eq $m.Role "user" }}{{ $last = $i }}'
            start += "{{ end }}{{ end }}"
            inside = put % "(eq $i $last)"
        return (
            start
            + "{{ range $i, $m := .Messages }}"
            + system
            + '{{ if eq .Role "user" }}'
            + self.user[0]
            + inside
            + "{{ .Content }}"
            + self.user[1]
            + after
            + '{{ end }}{{ if eq .Role "assistant" }}'
            + self.assistant[0]
            + "{{ .Content }}"
            + self.assistant[1]
            + "{{ end }}{{ end }}"
            + self.ask
        )

    @property
    def pieces(self) -> tuple[str, ...]:
        """All texts of it."""
        return (self.default, self.head, *self.system, *self.user, *self.assistant, self.ask)


def find(tokenizer: PreTrainedTokenizerBase) -> Form:
    """The form of a tokenizer's template.

    The token that begins every text is left out: the engine puts it there itself (``add_bos_token`` in a GGUF file).

    Raises:
        NoForm: there is no template, or none of this form says the same.
    """
    if not tokenizer.chat_template:
        raise NoForm("The tokenizer has no chat template.")
    bos = str(tokenizer.bos_token or "")

    def render(turns: Turns, ask: bool) -> str | None:
        try:
            text = str(
                tokenizer.apply_chat_template(
                    [dict(t) for t in turns],
                    tokenize=False,
                    add_generation_prompt=ask,
                )
            )
        except Exception:  # a template raises what it likes where it takes no such conversation
            return None
        return text.removeprefix(bos) if bos else text

    made = _pieces(render)
    for one in _variants(made, render):
        if _same(one, render):
            if any("{{" in p or "}}" in p or '"""' in p for p in one.pieces):
                raise NoForm("The chat template has signs that a Modelfile cannot hold.")
            return one
    raise NoForm("The chat template depends on more than the role and the text of each message.")


def turn(role: str, text: str) -> dict[str, str]:
    """A message."""
    return {"role": role, "content": text}


def _pieces(render: Render) -> Form:
    """What stands around the texts of a conversation without a system message.

    Where one piece ends and the next begins is seen from two places where one of them stands with another neighbour.
    """
    user, reply, second = turn("user", _FIRST), turn("assistant", _REPLY), turn("user", _SECOND)
    short, talk, told = render([user], True), render([user, reply, second], True), render([user, reply], False)
    if short is None or talk is None:
        raise NoForm("The chat template refuses an ordinary conversation.")
    if not (short.count(_FIRST) == talk.count(_FIRST) == talk.count(_REPLY) == talk.count(_SECOND) == 1):
        raise NoForm("The chat template does not give each message once.")
    before, open_ = short.split(_FIRST)
    between = talk.split(_FIRST)[1].split(_REPLY)[0]
    middle = talk.split(_REPLY)[-1].split(_SECOND)[0]
    closed = render([user], False) or ""
    after = closed.split(_FIRST)[-1]
    if not (after and open_.startswith(after) and between.startswith(after)):
        after = _common(open_, between)
    end = told.split(_REPLY)[-1] if told else ""
    start = middle[len(end) :]
    if not (end and middle.startswith(end) and before.endswith(start)):
        start = _common(middle[::-1], before[::-1])[::-1]
        end = middle[: len(middle) - len(start)]
    head = before[: len(before) - len(start)]
    return Form(head, head, ("", ""), (start, after), (between[len(after) :], end), open_[len(after) :], None)


def _common(a: str, b: str) -> str:
    """What both begin with."""
    length = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[:length]


def _variants(plain: Form, render: Render) -> list[Form]:
    """The ways in which a system message may be put in."""
    text = render([turn("system", _SYSTEM), turn("user", _FIRST)], True)
    if text is None or text.count(_SYSTEM) != 1 or text.find(_SYSTEM) > text.find(_FIRST):
        return [plain]
    before, rest = text.split(_SYSTEM)
    gap = rest.split(_FIRST)[0]
    start = plain.user[0]
    found = []
    if gap.endswith(start):
        end = gap[: len(gap) - len(start)]
        head = plain.default if before.startswith(plain.default) else before
        found.append(replace(plain, head=head, system=(before[len(head) :], end), where="turn"))
    if before.endswith(start):
        head = before[: len(before) - len(start)]
        found.append(replace(plain, head=head, system=("", gap), where="first"))
        found.append(replace(plain, head=head, system=("", gap), where="last"))
    return found


def _same(form: Form, render: Render) -> bool:
    """Does the form say exactly what the template says, of conversations that it was not made from?"""
    texts = ("What is a pump?", "Two lines\n\n  and an indent", "“Öl” 水 🙂 <b> 50 %", "x")
    systems = ("Be brief.", "Rules:\n- one\n- two") if form.where else ()
    for n in (1, 2, 3):
        talk = []
        for i in range(n):
            talk += [turn("user", texts[(i + n) % 4])] + ([turn("assistant", texts[i])] if i < n - 1 else [])
        for said in ("", *systems):
            turns = ([turn("system", said)] if said else []) + talk
            if render(turns, True) != form.render(turns):
                return False
    return True
