"""Image files: which formats are read, and what their bytes mean."""
