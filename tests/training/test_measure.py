"""The peak of live tensor bytes, on allocations whose size is known."""

from __future__ import annotations

import gc

import pytest
import torch

from training import measure
from training.measure import Peak

MB = 1_000_000


def floats(count: int) -> torch.Tensor:
    return torch.empty(count // 4, dtype=torch.float32)


def test_what_lives_at_once_is_the_peak_and_not_the_sum() -> None:
    with Peak() as peak:
        start = peak.live
        for _ in range(5):
            one = floats(8 * MB)
            del one
        two = [floats(3 * MB), floats(4 * MB)]
    assert peak.bytes - start == pytest.approx(8 * MB, rel=0.001)
    assert peak.live - start == pytest.approx(7 * MB, rel=0.001)
    assert len(two) == 2


def test_what_an_operation_needs_inside_is_counted() -> None:
    left = torch.randn(512, 512)
    with Peak() as peak:
        start = peak.live
        result = (left + 1) * 2 - left  # two temporaries of 1 MiB before the third is there
    assert peak.bytes - start >= 2 * left.nbytes
    assert peak.live - start == result.nbytes


def test_what_autograd_saves_is_counted() -> None:
    weight = torch.randn(256, 256, requires_grad=True)
    with Peak() as peak:
        start = peak.live
        hidden = torch.randn(1024, 256)
        for _ in range(6):
            hidden = torch.tanh(hidden @ weight)  # each keeps its result: 1 MiB, out of Python's sight
        peak.step()
        kept = peak.live - start
        hidden.sum().backward()
    assert kept == pytest.approx(7 * 1024 * 256 * 4, rel=0.01)
    assert peak.bytes - start > kept
    del hidden
    gc.collect()


def test_steps_add_up_and_a_release_in_a_later_step_is_seen() -> None:
    with Peak() as peak:
        start = peak.live
        one = floats(4 * MB)
        peak.step()
        assert peak.live - start == pytest.approx(4 * MB, rel=0.001)
        del one
        two = floats(6 * MB)
        peak.step()
    assert peak.bytes - start == pytest.approx(6 * MB, rel=0.001)
    assert two.nbytes == 6 * MB


def test_what_lived_before_is_counted_once_a_storage() -> None:
    before = measure.living()
    whole = torch.zeros(1000, 1000)
    views = [whole[i] for i in range(10)]
    assert measure.living() - before == whole.nbytes
    with Peak() as peak:
        pass
    assert peak.bytes >= whole.nbytes
    assert len(views) == 10


def test_settling_forgets_what_was_and_keeps_what_lives() -> None:
    with Peak() as peak:
        start = peak.live
        kept = floats(2 * MB)
        gone = floats(9 * MB)
        del gone
        peak.settle()
        assert peak.bytes == peak.live
        assert peak.live - start == pytest.approx(2 * MB, abs=MB // 10)
    assert kept.nbytes == 2 * MB


def test_nothing_is_counted_after_the_end() -> None:
    peak = Peak()
    with peak:
        pass
    first = peak.bytes
    held = floats(8 * MB)
    peak.step()
    peak.stop()
    assert peak.bytes == first
    assert held.nbytes == 8 * MB


def test_it_ends_with_an_error_too() -> None:
    peak = Peak()
    with pytest.raises(RuntimeError), peak:
        raise RuntimeError
    with Peak() as again:
        held = floats(8 * MB)
    assert again.bytes >= held.nbytes


def test_the_speed_is_one_that_a_machine_can_have() -> None:
    assert 1e8 < measure.speed() < 1e16
