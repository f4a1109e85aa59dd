"""Sweeps: runs of one command in one folder, which can be interrupted, resumed and extended."""
