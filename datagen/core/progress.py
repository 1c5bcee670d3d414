"""Progress from inside a stage, for stages whose shards take long (a model is asked).

A stage calls :func:`advance`; whoever shows progress subscribes. From worker processes the executor passes it on.
"""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str, int, int], None]
_listeners: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call ``listener(stage, done, expected)`` at each advance, from any thread; returns the way out."""
    _listeners.append(listener)

    def leave() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return leave


def advance(stage: str, *, done: int = 0, expected: int = 0) -> None:
    """Say that ``done`` more items are finished, or that ``expected`` more have begun to be worked on."""
    for listener in tuple(_listeners):
        listener(stage, done, expected)


Told = Callable[[str], None]
_told: list[Told] = []


def listen(told: Told) -> Callable[[], None]:
    """Call ``told`` with each line that stages have to say to people, from any thread; returns the way out."""
    _told.append(told)

    def leave() -> None:
        if told in _told:
            _told.remove(told)

    return leave


def say(text: str) -> None:
    """Say a line to people, as that a server is being started."""
    for told in tuple(_told):
        told(text)
