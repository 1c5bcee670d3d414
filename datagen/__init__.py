"""datagen: curated training data, with its evidence, from a folder of documents."""

__version__ = "0.1.0"
