"""Sweeps: many runs from one command, in one folder, that can be interrupted, continued and widened."""
