"""Driving language models: one small protocol, and layers that each add one thing."""
