"""A trained network in one file that goes anywhere, and the model card beside it."""
