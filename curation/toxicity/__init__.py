"""Hate against protected groups, and profanity, in plain texts and as a stage.

>>> from curation import toxicity
>>> toxicity.score(["Nobody should hate immigrants."])
[0.09]
"""

from __future__ import annotations

from curation.toxicity.config import ToxicityConfig
from curation.toxicity.scan import Finding, find
from curation.toxicity.score import Status, scan, score, status
from curation.toxicity.stage import Toxicity

__all__ = ["Finding", "Status", "Toxicity", "ToxicityConfig", "find", "scan", "score", "status"]
