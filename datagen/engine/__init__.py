"""Shards, segments, the run folder and the schedule. Knows only datagen.core."""
