"""Curation: what harms a model is found and named. Each module also works alone, on plain texts."""
