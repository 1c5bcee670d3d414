"""The same training for LLaMA-Factory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from training.config import StageConfig, TrainConfig
from training.handover_common import base, yaml_text

_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
_LOSSES = {"sigmoid", "hinge", "ipo"}


def llamafactory(config: TrainConfig, data: Mapping[str, str], length: int, pairs: bool) -> dict[str, str]:
    """Files for LLaMA-Factory: names (src/llamafactory/hparams, data/converter.py) by content."""
    place = "configs/llamafactory"
    info: dict[str, Any] = {
        f"sft_{split}": {
            "file_name": data[f"sft.{split}"],
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": _TAGS,
        }
        for split in ("train", "valid")
        if f"sft.{split}" in data
    }
    if pairs:
        info["pairs_train"] = {
            "file_name": data["pairs.train"],
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "prompt", "chosen": "chosen", "rejected": "rejected"},
            "tags": _TAGS,
        }
    lora = config.lora
    common: dict[str, Any] = {
        "model_name_or_path": base(config),
        "do_train": True,
        "finetuning_type": "full" if config.method == "full" else "lora",
        "dataset_dir": ".",
        "cutoff_len": length,
        "bf16": config.dtype in ("auto", "bfloat16"),
        "fp16": config.dtype == "float16",
        "disable_gradient_checkpointing": config.checkpointing is False,
        "optim": "paged_adamw_8bit" if config.optimizer != "adamw" else "adamw_torch",
        "seed": config.seed,
        "logging_steps": 1,
    }
    if config.method != "full":
        common |= {
            "lora_rank": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "lora_target": ",".join(lora.targets) or "all",
            "use_rslora": lora.rslora,
            "use_dora": lora.dora,
        }
    four_bit = {"quantization_bit": 4, "quantization_method": "bnb", "quantization_type": "nf4"}
    four = {**four_bit, "double_quantization": True} if config.method == "qlora" else {}
    note = "No template is named: the tokenizer's own chat template is used."
    sft = {
        **common,
        **four,
        "stage": "sft",
        "dataset": "sft_train",
        **({"eval_dataset": "sft_valid"} if "sft.valid" in data else {}),
        "packing": config.sft.packing,
        "neat_packing": config.sft.packing,
        "output_dir": "sft",
        **_stage(config.sft, "sft.valid" in data),
        **({"neftune_noise_alpha": config.sft.neftune} if config.sft.neftune else {}),
    }
    files = {
        f"{place}/dataset_info.json": json.dumps(info, indent=2) + "\n",
        f"{place}/sft.yaml": yaml_text("llamafactory-cli train sft.yaml", sft, note),
    }
    if not pairs:
        return files
    dpo = config.dpo
    known = dpo.loss in _LOSSES
    notes = [note] if known else [note, f"The loss here is sigmoid: {dpo.loss} cannot be named."]
    values = {
        **common,
        **four,
        "stage": "dpo",
        "dataset": "pairs_train",
        "pref_beta": dpo.beta,
        "pref_loss": dpo.loss if known else "sigmoid",
        "dpo_label_smoothing": dpo.label_smoothing,
        "output_dir": "dpo",
        **_stage(dpo, False),
    }
    if config.method == "full":
        values |= {"model_name_or_path": "sft", "ref_model": "sft"}
    else:
        # Without a reference of its own it would be the base and not what SFT made of it.
        values |= {"adapter_name_or_path": "sft", "ref_model": base(config), "ref_model_adapters": "sft"}
        values |= {"ref_model_quantization_bit": 4} if four else {}
    files[f"{place}/dpo.yaml"] = yaml_text("llamafactory-cli train dpo.yaml (after sft.yaml)", values, *notes)
    return files


def _stage(stage: StageConfig, looks: bool) -> dict[str, Any]:
    return {
        "per_device_train_batch_size": stage.batch,
        "gradient_accumulation_steps": stage.accumulation,
        "num_train_epochs": stage.epochs,
        **({"max_steps": stage.max_steps} if stage.max_steps else {}),
        "learning_rate": stage.learning_rate,
        "lr_scheduler_type": stage.schedule,
        "warmup_ratio": stage.warmup,
        "weight_decay": stage.weight_decay,
        "max_grad_norm": stage.clip,
        "save_steps": stage.save_every,
        **({"eval_strategy": "steps", "eval_steps": stage.evaluate_every} if looks else {}),
    }
