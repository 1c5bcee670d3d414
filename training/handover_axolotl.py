"""The same training for Axolotl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.config import StageConfig, TrainConfig
from training.handover_common import base, yaml_text


def axolotl(config: TrainConfig, data: Mapping[str, str], length: int, pairs: bool) -> dict[str, str]:
    """Files for Axolotl: names (src/axolotl/utils/schemas, prompt_strategies/dpo/chat_template.py) by content."""
    lora = config.lora
    common: dict[str, Any] = {
        "base_model": base(config),
        "load_in_4bit": config.method == "qlora",
        "sequence_len": length,
        "bf16": ("auto" if config.dtype == "auto" else config.dtype == "bfloat16"),
        "fp16": config.dtype == "float16",
        "gradient_checkpointing": config.checkpointing is not False,
        "optimizer": "paged_adamw_8bit" if config.optimizer != "adamw" else "adamw_torch",
        "seed": config.seed,
        "logging_steps": 1,
    }
    if config.method != "full":
        common |= {
            "adapter": config.method,
            "lora_r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            **({"lora_target_modules": list(lora.targets)} if lora.targets else {"lora_target_linear": True}),
            "peft_use_rslora": lora.rslora,
            "peft_use_dora": lora.dora,
        }
    form = {
        "ds_type": "json",
        "type": "chat_template",
        "field_messages": "messages",
        "message_property_mappings": {"role": "role", "content": "content"},
        "roles_to_train": ["assistant"],
        "train_on_eos": "turn",
    }
    sft = {
        **common,
        "datasets": [{"path": data["sft.train"], **form}],
        **({"test_datasets": [{"path": data["sft.valid"], "split": "train", **form}]} if "sft.valid" in data else {}),
        "train_on_inputs": False,
        "sample_packing": config.sft.packing,
        "output_dir": "./sft",
        **_stage(config.sft, "sft.valid" in data),
        **({"neftune_noise_alpha": config.sft.neftune} if config.sft.neftune else {}),
    }
    files = {"configs/axolotl/sft.yml": yaml_text("axolotl train sft.yml", sft)}
    if not pairs:
        return files
    dpo = config.dpo
    values = {
        **common,
        "rl": "ipo" if dpo.loss == "ipo" else "dpo",
        "rl_beta": dpo.beta,
        **({"dpo_label_smoothing": dpo.label_smoothing} if dpo.label_smoothing else {}),
        "chat_template": "tokenizer_default",
        "datasets": [
            {
                "path": data["pairs.train"],
                "ds_type": "json",
                "split": "train",
                "type": "chat_template.default",
                "field_messages": "prompt",
                "field_chosen": "chosen",
                "field_rejected": "rejected",
            }
        ],
        "output_dir": "./dpo",
        **_stage(dpo, False),
    }
    if config.method != "full":
        # Without the second key the reference would be the base and not what SFT made of it.
        values |= {"lora_model_dir": "./sft", "rl_adapter_ref_model": True}
    else:
        values["base_model"] = "./sft"
    notes = [] if dpo.loss in ("sigmoid", "ipo") else [f"The loss here is sigmoid: {dpo.loss} cannot be named."]
    files["configs/axolotl/dpo.yml"] = yaml_text("axolotl train dpo.yml (after sft.yml)", values, *notes)
    return files


def _stage(stage: StageConfig, looks: bool) -> dict[str, Any]:
    return {
        "micro_batch_size": stage.batch,
        "gradient_accumulation_steps": stage.accumulation,
        "num_epochs": stage.epochs,
        **({"max_steps": stage.max_steps} if stage.max_steps else {}),
        "learning_rate": stage.learning_rate,
        "lr_scheduler": stage.schedule,
        "warmup_ratio": stage.warmup,
        "weight_decay": stage.weight_decay,
        "max_grad_norm": stage.clip,
        "save_steps": stage.save_every,
        **({"eval_steps": stage.evaluate_every} if looks else {}),
        **({"early_stopping_patience": stage.patience} if looks and stage.patience else {}),
    }
