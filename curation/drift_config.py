"""The configuration of the second judging, with its defaults."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section


class DriftConfig(Section):
    """Does the judge say the same twice? Some of the samples are judged again, and how many change sides is told."""

    samples: int = Field(
        50, ge=0, le=2_000, description="Samples judged again, but at most one in ten of those judged; 0: none."
    )
