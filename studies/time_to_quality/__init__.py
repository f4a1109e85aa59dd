"""Seconds until a training reaches a quality: ours, deepinv's Trainer and the program of the 2022 study."""
