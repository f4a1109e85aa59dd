"""The three networks of the grid, which most measurements go through."""

NETWORKS = {  # their kernel sizes and widths
    "9-1-5": ((9, 1, 5), (64, 32)),
    "9-3-1-5": ((9, 3, 1, 5), (64, 32, 16)),
    "9-1-1-1-5": ((9, 1, 1, 1, 5), (64, 32, 32, 16)),
}
