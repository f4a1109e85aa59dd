"""Measurements: `python -m benchmarks.NAME`, each one command."""
