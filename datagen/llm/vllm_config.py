"""Configuration of a vLLM server that datagen starts and minds itself."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section

Argument = bool | int | float | str | tuple[int | float | str, ...]


class VllmConfig(Section):
    """How ``generator.backend: vllm`` starts ``vllm serve``. The model is ``generator.model``."""

    command: str | tuple[str, ...] = Field(
        "", description="What starts vLLM, as 'vllm' or 'PYTHON -m vllm.entrypoints.openai.api_server'; empty finds it."
    )
    args: dict[str, Argument] = Field(
        {},
        description="Engine arguments passed through: max_model_len: 4096 is --max-model-len 4096, true a flag alone.",
    )
    env: dict[str, str] = Field({}, description="Environment variables for it.")
    adapters: dict[str, str] = Field({}, description="LoRA adapters that it serves, name to folder.")
    adapter: str = Field("", description="The adapter that generates; empty: the model itself.")
    start_timeout_s: float = Field(900.0, gt=0, le=86_400, description="Time limit of a start, seconds.")
    restarts: int = Field(5, ge=0, le=1_000, description="Times that it is started again after it died, at most.")
