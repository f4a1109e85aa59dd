"""Image I/O: which formats are read, what their bytes mean, and writing images with their metadata."""
