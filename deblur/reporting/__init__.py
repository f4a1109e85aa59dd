"""Folders of runs -> tables and figures. Reads files only."""
