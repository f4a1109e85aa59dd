"""Maintenance of the project: `python -m scripts.NAME`."""
