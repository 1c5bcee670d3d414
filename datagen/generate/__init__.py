"""Recipes: what is made from a chunk, one a file."""
