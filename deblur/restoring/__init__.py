"""Restoring picture files of any size: read, split into planes, restore in tiles, write.

Nothing here needs Lightning, Hydra or albumentations; only `tiles` needs torch.
"""
