"""Runs: their identity, folder, lock, stored files and resumption."""
