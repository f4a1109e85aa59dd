"""Image formats: opening and decoding their files, and their metadata."""
