"""Trained networks and classical baselines, measured on any images and any blur."""
