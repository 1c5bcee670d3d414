"""Finds texts that say the same in other words, and keeps apart what differs in a fact.

Candidates come from embeddings and from being equal but for one word; what differs between the two texts decides
(:mod:`curation.changes`), on the borderline a cross-encoder.
"""

from curation.semantic.decide import Pair as Pair
from curation.semantic.find import cluster as cluster
from curation.semantic.find import pairs as pairs
from curation.semantic.find import status as status
from curation.semantic.search import neighbours as neighbours
from curation.semantic.stage import DropSemantic as DropSemantic
from curation.semantic.stage import Embed as Embed
