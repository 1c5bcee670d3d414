"""A bare TRL script: NF4, LoRA on every linear layer, loss on the replies. What training_overhead.py holds ours to.

    python -m benchmarks.bare_trl ROWS.jsonl BASE OUT STEPS

Prints a JSON object: processor seconds until the first step was done, and of the steps after the fifth.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

STEADY = 5  # steps that are not timed: caches fill, and our own counting of memory ends


def main(rows: str, base: str, out: str, steps: int) -> None:
    """Train and print the times."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Clock(TrainerCallback):
        first = steady = last = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.process_time()
            if state.global_step == 1:
                self.first = now
            if state.global_step == STEADY:
                self.steady = now
            self.last = now

    clock = Clock()
    quantised = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=quantised, dtype=torch.float32)
    trainer = SFTTrainer(
        model=model,
        processing_class=AutoTokenizer.from_pretrained(base),
        train_dataset=load_dataset("json", data_files=rows, split="train", cache_dir=out).select_columns(["messages"]),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        args=SFTConfig(
            output_dir=out,
            max_steps=steps,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            learning_rate=1e-4,
            lr_scheduler_type="cosine",
            assistant_only_loss=True,
            save_steps=50,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            report_to="none",
            disable_tqdm=True,
            max_length=None,
        ),
        callbacks=[clock],
    )
    # TRL rounds the adapter of a quantised model to bf16, in which a CPU takes twice as long for a step: the weights
    # train in fp32 here too, so that what is compared is the two programs and not two kinds of arithmetic.
    for weight in trainer.model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    trainer.train()
    trainer.save_model(out)
    print(json.dumps({"first": clock.first, "steady": clock.last - clock.steady, "all": time.process_time()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
