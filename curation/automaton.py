"""Regular expressions that match in linear time whatever the pattern and the text: Python's syntax, an automaton.

K. Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968; R. Cox, "Regular Expression Matching Can Be
Simple And Fast", 2007: all alternatives are followed at once, and each set of places in the pattern that comes up is
remembered as one state. What such an automaton cannot do (back references, looking around) is refused, and ``$``
without ``(?m)`` is the very end, also where a line end comes last.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from datagen.core.errors import UsageError

MAX_NODES = 1_000  # of a pattern, with repeats written out
MAX_STATES = 1_000  # remembered; beyond, they are forgotten and made anew
MAX_MOVES = 256  # characters remembered for a state
MAX_LENGTH = 1_000  # characters of a pattern
MAX_SHOWN = 200  # characters of a match that are shown

_Test = Callable[[str], bool]
_FIX = "Write it without back references and look-around (as for RE2), or with smaller repeats."


@dataclass(slots=True)
class _Node:
    """A place in a pattern: ``test`` a character to go on, or ``at`` a position test, or neither; ``next`` places."""

    test: _Test | None = None
    at: str = ""
    next: list[int] = field(default_factory=list)


class _Refused(Exception):
    pass


class Automaton:
    """A compiled pattern; makes its states as texts need them.

    Attributes:
        pattern: as given.
    """

    def __init__(self, pattern: str, *, ignore_case: bool = True) -> None:
        """Compile a pattern.

        Raises:
            UsageError: it is no regular expression, or one that cannot be matched in linear time; names it.
        """
        self.pattern = pattern
        self._ignore_case = ignore_case
        self._nodes: list[_Node] = []
        try:
            if len(pattern) > MAX_LENGTH:
                raise _Refused(f"It has {len(pattern)} characters, at most {MAX_LENGTH} are taken")
            compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
            tree = _parse(pattern, compiled.flags)
            self._flags = compiled.flags
            end = self._add(_Node())
            self._accept = end
            self._start = self._sequence(list(tree), end)
        except (re.error, _Refused, RecursionError, OverflowError) as error:
            why = str(error) or "It is nested too deeply"
            raise UsageError(f"The pattern {pattern[:80]!r} cannot be used.", f"{why[:200]}.", _FIX) from error
        self._states: dict[tuple[frozenset[int], str], int] = {}
        self._sets: list[tuple[frozenset[int], str]] = []
        self._moves: list[dict[str, tuple[bool, int]]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(Automaton, ignore_case=self._ignore_case), (self.pattern,)

    def search(self, text: str) -> tuple[int, int] | None:
        """Start and end (code points) of the match that ends first, or None. Linear in the length of the text.

        Of a match longer than :data:`MAX_SHOWN`, the last part is given.
        """
        end = self._first_end(text)
        return None if end is None else (self._start_of(text, end), end)

    def _first_end(self, text: str) -> int | None:
        state = self._state(frozenset({self._start}), "^")
        moves = self._moves
        for i, character in enumerate(text):
            move = moves[state].get(character)
            if move is None:
                move = self._step(state, character)
                moves = self._moves
            if move[0]:
                return i
            state = move[1]
        return len(text) if self._step(state, "")[0] else None

    def _start_of(self, text: str, end: int) -> int:
        """The earliest start of a match that ends there, each place carrying the start that led to it."""
        low = max(0, end - MAX_SHOWN)
        before = _kind(text[low - 1]) if low else "^"
        held: dict[int, int] = {}
        for i in range(low, end + 1):
            held.setdefault(self._start, i)
            after = text[i] if i < len(text) else ""
            reached: dict[int, int] = {}
            for place, start in sorted(held.items(), key=lambda item: item[1]):
                for further in self._closure(frozenset({place}), before, after):
                    reached.setdefault(further, start)
            if i == end:
                return reached.get(self._accept, low)
            held = {}
            for place, start in sorted(reached.items(), key=lambda item: item[1]):
                test = self._nodes[place].test
                if test is not None and test(after):
                    for further in self._nodes[place].next:
                        held.setdefault(further, start)
            before = _kind(after)
        return low

    # -- running ------------------------------------------------------------------------------------------------

    def _state(self, places: frozenset[int], before: str) -> int:
        key = (places, before)
        number = self._states.get(key)
        if number is None:
            if len(self._sets) >= MAX_STATES:
                self._states, self._sets, self._moves = {}, [], []
            number = len(self._sets)
            self._states[key] = number
            self._sets.append(key)
            self._moves.append({})
        return number

    def _step(self, state: int, character: str) -> tuple[bool, int]:
        """Has a match ended before the character, and the state after it; one may also begin there."""
        places, before = self._sets[state]
        here = self._closure(places, before, character)
        if self._accept in here:
            return True, state
        if not character:
            return False, state
        following = self._stepped(here, character)
        number = self._state(following | {self._start}, _kind(character))
        kept = state < len(self._moves) and self._sets[state] == (places, before)  # all may just have been forgotten
        if kept and len(self._moves[state]) < MAX_MOVES:
            self._moves[state][character] = (False, number)
        return False, number

    def _stepped(self, here: set[int], character: str) -> frozenset[int]:
        nodes = self._nodes
        out: set[int] = set()
        for place in here:
            test = nodes[place].test
            if test is not None and test(character):
                out.update(nodes[place].next)
        return frozenset(out)

    def _closure(self, places: frozenset[int], before: str, after: str) -> set[int]:
        seen: set[int] = set()
        todo = list(places)
        nodes = self._nodes
        while todo:
            place = todo.pop()
            if place in seen:
                continue
            seen.add(place)
            node = nodes[place]
            if node.test is None and (not node.at or _holds(node.at, before, after)):
                todo += node.next
        return seen

    # -- compiling ----------------------------------------------------------------------------------------------

    def _add(self, node: _Node) -> int:
        if len(self._nodes) >= MAX_NODES:
            raise _Refused(f"Its repeats, written out, have more than {MAX_NODES} places")
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _sequence(self, items: list[Any], then: int) -> int:
        for name, value in reversed(items):
            then = self._item(str(name), value, then)
        return then

    def _item(self, name: str, value: Any, then: int) -> int:
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self._add(_Node(test=self._test(name, value), next=[then]))
        if name == "SUBPATTERN":
            _, on, off, inner = value
            if on or off:
                raise _Refused("It switches flags inside")
            return self._sequence(list(inner), then)
        if name == "BRANCH":
            return self._add(_Node(next=[self._sequence(list(branch), then) for branch in value[1]]))
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = value
            return self._repeat(int(low), high, inner, then)
        if name == "AT":
            return self._add(_Node(at=self._position(str(value)), next=[then]))
        raise _Refused(f"It uses {name.lower().replace('_', ' ')}, which has no linear-time match")

    def _repeat(self, low: int, high: Any, inner: Any, then: int) -> int:
        items = list(inner)
        if str(high) == "MAXREPEAT":
            loop = self._add(_Node())
            self._nodes[loop].next = [self._sequence(items, loop), then]
            then = loop
        else:
            for _ in range(int(high) - low):
                then = self._add(_Node(next=[self._sequence(items, then), then]))
        for _ in range(low):
            then = self._sequence(items, then)
        return then

    def _position(self, name: str) -> str:
        multi = bool(self._flags & re.MULTILINE)
        known = {
            "AT_BEGINNING": "line start" if multi else "start",
            "AT_BEGINNING_STRING": "start",
            "AT_END": "line end" if multi else "end",
            "AT_END_STRING": "end",
            "AT_BOUNDARY": "boundary",
            "AT_NON_BOUNDARY": "inside",
        }
        if name not in known:
            raise _Refused(f"It uses {name.lower()}")
        return known[name]

    def _test(self, name: str, value: Any) -> _Test:
        # Python's own engine decides what one character is: it knows all classes, ranges and cases.
        if name == "ANY":
            source = "."
        elif name in ("LITERAL", "NOT_LITERAL"):
            source = ("[^" if name == "NOT_LITERAL" else "[") + _escaped(value) + "]"
        else:
            source = _class(value)
        one = re.compile(source, self._flags & (re.IGNORECASE | re.DOTALL | re.ASCII))
        return lambda character: one.match(character) is not None


def _parse(pattern: str, flags: int) -> Any:
    from re import _parser  # type: ignore[attr-defined]

    return _parser.parse(pattern, flags)


def _escaped(point: int) -> str:
    return f"\\U{point:08x}"


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


def _class(items: Any) -> str:
    out = []
    for name, value in items:
        kind = str(name)
        if kind == "NEGATE":
            out.append("^")
        elif kind == "LITERAL":
            out.append(_escaped(value))
        elif kind == "RANGE":
            out.append(f"{_escaped(value[0])}-{_escaped(value[1])}")
        elif kind == "CATEGORY" and str(value) in _CATEGORIES:
            out.append(_CATEGORIES[str(value)])
        else:
            raise _Refused(f"It uses {kind.lower()} in a class")
    return "[" + "".join(out) + "]"


def _kind(character: str) -> str:
    if character == "\n":
        return "n"
    return "w" if character == "_" or character.isalnum() or unicodedata.category(character)[0] == "N" else "o"


def _holds(at: str, before: str, after: str) -> bool:
    if at == "start":
        return before == "^"
    if at == "line start":
        return before in ("^", "n")
    if at == "end":
        return not after
    if at == "line end":
        return not after or after == "\n"
    crossing = (before == "w") != (bool(after) and _kind(after) == "w")
    return crossing == (at == "boundary")
