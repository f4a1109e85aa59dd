"""Trained networks: loading, tiles, image files in and out; without a trainer."""
