"""Trained networks: where they come from and how they are built again, without a trainer."""
