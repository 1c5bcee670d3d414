"""The configuration of each curation stage, with its defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curation.decontaminate.config import DecontaminateConfig
from curation.dedupe_config import CopiesConfig
from curation.judge_config import JudgeConfig as JudgeConfig
from curation.malicious.config import MaliciousConfig
from curation.pii.config import PiiConfig
from curation.rules_config import RulesConfig as RulesConfig
from curation.select_config import SelectConfig
from curation.semantic_config import SemanticConfig
from curation.toxicity.config import ToxicityConfig
from datagen.core.section import Section


class MaliciousContent(MaliciousConfig):
    """Prompt injection, jailbreaks, active markup, SQL and command payloads, secrets; each kind can be switched off."""

    exemplars: Literal["off", "ngrams", "embeddings", "auto"] = Field(
        "ngrams",
        description="Compare with examples of attacks by letters, and with embeddings; auto: if there is a model.",
    )


class PersonalData(PiiConfig):
    """Personal data in documents and in samples: what is looked for, and what is done about it."""

    enabled: bool = Field(True, description="Look for personal data.")


class Semantic(SemanticConfig):
    """Duplicates by meaning: embeddings, a check of what differs, and a cross-encoder on the borderline."""

    enabled: bool = Field(False, description="Look for them; needs the extra `semantic`.")


class CurationConfig(Section):
    """All curation stages but the judge."""

    rules: RulesConfig = RulesConfig()
    pii: PersonalData = PersonalData()
    malicious: MaliciousContent = MaliciousContent()
    toxicity: ToxicityConfig = ToxicityConfig()
    dedupe: CopiesConfig = CopiesConfig()
    semantic: Semantic = Semantic()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    select: SelectConfig = SelectConfig()
