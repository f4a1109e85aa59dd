"""Image I/O: reading image files as gray or in full, and writing them with their metadata."""
