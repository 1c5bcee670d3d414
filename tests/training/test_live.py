"""The live view over a real training: plain lines in a file, a panel in a terminal, nothing left behind."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl", reason="training is in the extra train")

from tests.training.watched import train
from training.live import Live


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    stream = io.StringIO()
    live = Live(stream, every_s=0.0)
    train(tmp_path, [live])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "SFT: 6 steps."
    assert "\x1b" not in stream.getvalue()
    steps = [line for line in lines if re.match(r"SFT [1-6]/6: loss \d", line)]
    assert len(steps) >= 6
    assert any("validation" in line for line in lines)
    for part in ("rate ", "memory ", "left ", "tokens/s "):
        assert part in lines[-1]


def test_few_lines_for_many_steps_but_the_last_one(tmp_path: Path) -> None:
    stream = io.StringIO()
    train(tmp_path, [Live(stream, every_s=3600.0)])
    lines = stream.getvalue().splitlines()
    assert len(lines) <= 5  # the start, the first step, two looks at the validation rows, the last step
    assert "6/6" in lines[-1]


def test_a_panel_in_a_terminal_and_the_cursor_back_afterwards(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    live = Live(stream)
    train(tmp_path, [live])
    shown = stream.getvalue()
    for part in ("SFT", "6/6", "loss", "validation", "tokens/s", "memory", "left"):
        assert part in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_an_error_in_the_middle_leaves_a_usable_terminal(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    live = Live(stream)
    with pytest.raises(RuntimeError, match="on purpose"):
        train(tmp_path, [live], stop_at=3)
    live.close()
    live.close()
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")
    live.say("[bold]not markup[/bold] 100 %")
    assert "[bold]not markup[/bold] 100 %" in stream.getvalue()


class DPOConfig:
    """Its name is all that is read of it."""


def state(step: int, steps: int = 10) -> Any:
    return SimpleNamespace(global_step=step, max_steps=steps, epoch=0.5, is_world_process_zero=True)


def test_pairs_show_margin_and_accuracy_and_odd_values_are_left_out() -> None:
    stream = io.StringIO()
    live = Live(stream, every_s=0.0)
    live.on_train_begin(DPOConfig(), state(4), None)
    assert live.left_s() is None
    logs: dict[str, Any] = {"loss": float("nan"), "rewards/margins": 0.5, "rewards/accuracies": 0.75, "odd": "text"}
    live.on_log(DPOConfig(), state(5), None, logs=logs)
    assert "DPO 5/10: margin 0.5, accuracy 0.75" in stream.getvalue()
    assert "loss" not in stream.getvalue()
    assert live.left_s() is not None  # of one step in this session: that of step 4 was before an interruption
    live.on_log(DPOConfig(), state(6), None, logs=None)


def test_processes_other_than_the_first_say_nothing() -> None:
    stream = io.StringIO()
    live = Live(stream)
    other = SimpleNamespace(global_step=0, max_steps=5, epoch=0.0, is_world_process_zero=False)
    live.on_train_begin(DPOConfig(), other, None)
    live.on_log(DPOConfig(), other, None, logs={"loss": 1.0})
    live.on_train_end(DPOConfig(), other, None)
    assert stream.getvalue() == ""
