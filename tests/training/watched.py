"""A real, very small training that callbacks can watch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import tiny


def train(folder: Path, callbacks: Sequence[Any], *, steps: int = 6, rows: int = 12, stop_at: int = 0) -> Any:
    """Some steps of a bare SFT with trl; ``stop_at``: an error in that step."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    texts = [f"The pump number {i} moves water to the tank number {i % 3}." for i in range(rows)]
    base = str(tiny.make(folder / "base", texts, vocabulary=300, hidden=32, layers=1, context=128))

    class Stop(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop_at and state.global_step + 1 == stop_at:
                raise RuntimeError("stopped on purpose")

    turns = [{"messages": [{"role": "user", "content": "Say it."}, {"role": "assistant", "content": t}]} for t in texts]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base),
        processing_class=AutoTokenizer.from_pretrained(base),
        train_dataset=Dataset.from_list(turns),
        eval_dataset=Dataset.from_list(turns[:2]),
        args=SFTConfig(
            output_dir=str(folder / "out"),
            max_steps=steps,
            per_device_train_batch_size=2,
            logging_steps=1,
            eval_strategy="steps",
            eval_steps=3,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            max_length=64,
        ),
        callbacks=[*callbacks, Stop()],
    )
    trainer.train()
    return trainer
