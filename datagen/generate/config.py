"""Configuration of making samples."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from datagen.core.section import Section
from datagen.llm.vllm_config import VllmConfig

Weight = Annotated[float, Field(ge=0, le=1_000)]
RecipeName = Literal["qa", "instruct", "tasks", "style", "conversation"]
QuestionType = Literal["factual", "how_to", "reasoning", "comparison", "multi_hop", "unanswerable", "false_premise"]
Family = Literal[
    "summarisation",
    "closed_book_qa",
    "in_context_qa",
    "translation",
    "sentiment",
    "topic",
    "extraction",
    "rewriting",
    "continuation",
]
Evolution = Literal["none", "deepen", "widen", "constrain"]
Flaw = Literal[
    "unsupported_claim",
    "wrong_fact",
    "omission",
    "contradiction",
    "off_topic",
    "wrong_style",
    "padding",
    "needless_refusal",
    "answers_unanswerable",
]
Way = Literal["planted", "on_policy", "best_of_n"]


class QaConfig(Section):
    """The recipe ``qa``: questions and answers, each with verbatim evidence."""

    types: dict[QuestionType, Weight] = Field(
        {
            "factual": 3.0,
            "how_to": 2.0,
            "reasoning": 2.0,
            "comparison": 1.0,
            "multi_hop": 1.0,
            "unanswerable": 0.5,
            "false_premise": 0.5,
        },
        description="Weights of the kinds of question; 0 or left out: none.",
    )


class InstructConfig(Section):
    """The recipe ``instruct``: Self-Instruct with Evol-Instruct steps."""

    evolve: dict[Evolution, Weight] = Field(
        {"none": 1.0, "deepen": 1.0, "widen": 1.0, "constrain": 1.0},
        description="Weights of what is done to a drafted instruction before it is answered.",
    )
    novelty: float = Field(
        0.7, gt=0, le=1, description="Instructions whose ROUGE-L with an earlier one reaches this are rejected."
    )


class TasksConfig(Section):
    """The recipe ``tasks``: the task families of instruction tuning."""

    families: dict[Family, Weight] = Field(
        {
            "summarisation": 1.0,
            "closed_book_qa": 1.0,
            "in_context_qa": 1.0,
            "translation": 1.0,
            "sentiment": 1.0,
            "topic": 1.0,
            "extraction": 1.0,
            "rewriting": 1.0,
            "continuation": 1.0,
        },
        description="Weights of the families; 0 or left out: none.",
    )
    translate_to: tuple[str, ...] = Field(("German", "French", "Spanish"), description="Languages of translations.")


class StyleConfig(Section):
    """The recipe ``style``: the author's own paragraphs as answers."""

    min_words: int = Field(40, ge=1, description="Shorter paragraphs are passed over.")
    max_words: int = Field(400, ge=1, description="Longer paragraphs are passed over.")


class ConversationConfig(Section):
    """The recipe ``conversation``: planned multi-turn samples."""

    min_exchanges: int = Field(4, ge=1, le=20, description="Exchanges (question and answer) at least.")
    max_exchanges: int = Field(6, ge=1, le=20, description="Exchanges at most.")


class PreferenceConfig(Section):
    """Rejected replies for kept samples."""

    share: float = Field(0.0, ge=0, le=1, description="Share of kept samples that get a rejected reply; 0: none.")
    ways: dict[Way, Weight] = Field(
        {"planted": 1.0},
        description="Weights of how: planted (a named flaw is asked for), on_policy (a model answers without the "
        "document), best_of_n (the lowest scored of several).",
    )
    flaws: dict[Flaw, Weight] = Field(
        {
            "unsupported_claim": 1.0,
            "wrong_fact": 1.0,
            "omission": 1.0,
            "contradiction": 1.0,
            "off_topic": 1.0,
            "wrong_style": 1.0,
            "padding": 1.0,
            "needless_refusal": 1.0,
            "answers_unanswerable": 1.0,
        },
        description="Weights of the flaws that are planted; answers_unanswerable is for unanswerable questions.",
    )
    candidates: int = Field(4, ge=2, le=16, description="Replies of which best_of_n takes the lowest scored.")
    model: str = Field("", description="Model of on_policy replies: the one to be trained; empty: the generator's.")
    base_url: str = Field("", description="Endpoint of that model; empty takes the generator's.")
    min_margin: float = Field(
        1.0, ge=0, le=4, description="Points by which the chosen reply must outscore the rejected."
    )
    balance_length: bool = Field(
        False, description="Drop pairs until the chosen reply is the longer one in 45 to 55 % of them."
    )


class GeneratorConfig(Section):
    """How samples are made."""

    backend: Literal["auto", "openai", "vllm", "batch", "extractive"] = Field(
        "auto",
        description="auto: an endpoint that was named, else vLLM where it is installed with a GPU, else the extractive "
        "rules (no model); vllm: starts and minds a local server; batch: the Batch API.",
    )
    provider: Literal["", "openai", "vllm", "ollama", "llamacpp", "lmstudio", "openrouter", "ray"] = Field(
        "", description="Preset for address, key and habits of a kind of server."
    )
    base_url: str = Field("", description="OpenAI-compatible endpoint; empty takes the provider's or OPENAI_BASE_URL.")
    api_key_env: str = Field("", description="Environment variable that holds the key; empty: the provider's.")
    model: str = Field("", description="Model; empty takes the endpoint's only one.")
    recipes: dict[RecipeName, Weight] = Field(
        {"qa": 1.0}, description="Calls of each recipe for a chunk; 0.5 is every second chunk."
    )
    samples_per_chunk: int = Field(3, ge=1, le=20, description="Samples asked for in one call.")
    rounds: int = Field(
        1, ge=1, le=100, description="Times the recipes go over the chunks; limits.target overrides it."
    )
    temperature: float = Field(0.7, ge=0, le=2, description="Sampling temperature.")
    max_tokens: int = Field(1500, ge=16, description="Longest reply, in tokens.")
    examples: str = Field(
        "", description="Gold samples in any format that is exported; empty takes the shipped examples."
    )
    shots: int = Field(2, ge=0, description="Examples shown in each prompt.")
    selection: Literal["fixed", "random", "diverse", "nearest"] = Field(
        "fixed", description="Which examples: the first, drawn for each chunk, unlike each other, or like the chunk."
    )
    gold: int = Field(0, ge=0, description="Gold samples of `examples` that go into the export as they are, at most.")
    prompts: str = Field("", description="Folder whose files override the shipped prompts of the same name.")
    language: str = Field("", description="Language of the samples, as in 'German'; empty follows the document.")
    attributes: dict[str, dict[str, Weight]] = Field(
        {}, description="Values with weights that replace a list of generate/attributes.yaml; {} plans none."
    )
    qa: QaConfig = QaConfig()
    instruct: InstructConfig = InstructConfig()
    tasks: TasksConfig = TasksConfig()
    style: StyleConfig = StyleConfig()
    conversation: ConversationConfig = ConversationConfig()
    preference: PreferenceConfig = PreferenceConfig()
    vllm: VllmConfig = VllmConfig()
