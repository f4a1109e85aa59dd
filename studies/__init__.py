"""Questions that were answered once: `python -m studies.NAME`, each one command."""
