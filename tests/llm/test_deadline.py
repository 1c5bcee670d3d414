"""A deadline cancels what takes too long, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from datagen.llm.deadline import Deadline
from tests.llm.support import run


async def within(limit_s: float, seconds: float, more: float = 0.0) -> str:
    deadline = Deadline(limit_s, lambda since, limit: more)
    try:
        await asyncio.sleep(seconds)
        return "ended"
    except asyncio.CancelledError:
        if deadline.ran_out():
            return "ran out"
        raise
    finally:
        deadline.leave()


@pytest.mark.parametrize(
    ("limit_s", "seconds", "more", "outcome"),
    [(10.0, 0.01, 0.0, "ended"), (0.01, 10.0, 0.0, "ran out"), (0.01, 10.0, 0.02, "ran out"), (0.01, 0.1, 10, "ended")],
)
def test_time_is_up_or_not(limit_s: float, seconds: float, more: float, outcome: str) -> None:
    async def main() -> None:
        assert await within(limit_s, seconds, more) == outcome
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0.01)  # nothing is left that could cancel what follows

    run(main())


def test_a_cancellation_from_outside_goes_on() -> None:
    async def main() -> None:
        task = asyncio.create_task(within(10.0, 10.0))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
