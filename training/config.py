"""What can be set about training, with the defaults and why. Light: the command line loads it for ``--help``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["qlora", "lora", "full"]
Stage = Literal["sft", "dpo"]
PairLoss = Literal["sigmoid", "ipo", "robust", "hinge", "exo_pair", "apo_zero", "apo_down"]
Preference = Literal["dpo", "kto", "orpo"]
Tracker = Literal["none", "mlflow", "wandb", "trackio", "tensorboard"]
TINY = "tiny"
# What suits the tiny base, where nothing else is set: it begins with random weights, so it takes the rates of training
# from scratch, a large adapter, and more looks at each row; and it shall learn its few rows by heart.
TINY_DEFAULTS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 128, "alpha": 256},
    "sft": {"learning_rate": 1.5e-3, "epochs": 8.0, "batch": 8, "accumulation": 1, "patience": 0},
    "dpo": {"learning_rate": 1e-3, "batch": 4, "accumulation": 2},
}


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused, numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LoraConfig(Section):
    """The adapter (Hu et al. 2021, arXiv:2106.09685), on every linear layer as in QLoRA (arXiv:2305.14314)."""

    rank: int = Field(16, ge=1, le=1024, description="Rank of the adapter.")
    alpha: int = Field(32, ge=1, description="Scale: the adapter's share is alpha / rank.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Dropout on the adapter's input.")
    targets: tuple[str, ...] = Field((), description="Names of the layers; none: every linear layer but the head.")
    rslora: bool = Field(False, description="Scale by alpha / sqrt(rank) (rsLoRA, arXiv:2312.03732).")
    dora: bool = Field(False, description="Weight-decomposed adapter (DoRA, arXiv:2402.09353).")


class StageConfig(Section):
    """What SFT and preference training share."""

    epochs: float = Field(1.0, gt=0, le=100, description="Times each row is seen.")
    max_steps: int = Field(0, ge=0, description="Stop after so many steps; 0: by epochs.")
    learning_rate: float = Field(1e-4, gt=0, lt=1, description="Highest learning rate.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps in which the rate rises.")
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = Field("cosine", description="How the rate falls.")
    batch: int = Field(1, ge=1, description="Rows on a device at once.")
    accumulation: int = Field(16, ge=1, description="Batches whose gradients are added up before a step.")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="Weight decay of AdamW.")
    clip: float = Field(1.0, ge=0, description="Longest gradient (norm); 0: any.")
    save_every: int = Field(50, ge=1, description="Steps between two checkpoints.")
    evaluate_every: int = Field(50, ge=1, description="Steps between two looks at the validation rows.")
    patience: int = Field(3, ge=0, description="Looks without a better validation loss until the stage ends; 0: never.")


class SftConfig(StageConfig):
    """Supervised fine-tuning."""

    enabled: bool = Field(True, description="Run this stage.")
    epochs: float = Field(2.0, gt=0, le=100, description="Times each row is seen.")
    packing: bool = Field(True, description="Several rows in one sequence, kept apart, where the device can; see docs.")
    neftune: float = Field(0.0, ge=0, description="Noise on the embeddings (NEFTune, arXiv:2310.05914): 5 is usual.")


class DpoConfig(StageConfig):
    """Training on pairs of replies (DPO: Rafailov et al. 2023, arXiv:2305.18290)."""

    enabled: bool = Field(True, description="Run this stage where there are pairs.")
    method: Preference = Field("dpo", description="dpo, kto (arXiv:2402.01306) or orpo (arXiv:2403.07691).")
    learning_rate: float = Field(1e-5, gt=0, lt=1, description="Highest learning rate.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the rate rises.")
    beta: float = Field(0.1, gt=0, description="How strongly the policy is held to the SFT policy.")
    loss: PairLoss = Field("sigmoid", description="Loss of a pair.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="Share of the pairs assumed to be the wrong way round."
    )


class TrainConfig(Section):
    """All of it."""

    base: str = Field("Qwen/Qwen2.5-0.5B-Instruct", description="A folder, a name on the hub, or `tiny`.")
    method: Method = Field("qlora", description="qlora: NF4 and LoRA; lora: unquantised and LoRA; full: all weights.")
    seed: int = Field(0, ge=0, description="Of everything that is drawn.")
    max_length: int = Field(0, ge=0, description="Tokens of a row at most; 0: from the rows' own lengths.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Of the computation.")
    checkpointing: bool | None = Field(None, description="Recompute activations to save memory; unset: on a GPU.")
    optimizer: Literal["adamw", "paged_adamw_8bit"] = Field("adamw", description="The optimizer.")
    offload: bool = Field(
        False, description="On a GPU, keep activations in main memory until they are needed; ORPO does not."
    )
    vram: str = Field("", description="Memory to plan for, as in 16GB; empty: the card at hand.")
    auto_fit: bool = Field(False, description="Take the settings that fit where the given ones do not.")
    chat_template: str = Field("", description="A Jinja file to use as chat template; empty: the base's own.")
    track: Tracker = Field("none", description="Where metrics go beside metrics.jsonl.")
    lora: LoraConfig = LoraConfig()
    sft: SftConfig = SftConfig()
    dpo: DpoConfig = DpoConfig()
