"""Personal data: found in texts, then masked, replaced, hashed or counted."""

from curation.pii.config import PiiConfig as PiiConfig
from curation.pii.types import Span as Span
