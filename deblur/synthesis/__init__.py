"""Images drawn by a program: faces and dead leaves."""
