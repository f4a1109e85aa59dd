"""The three networks of the grid, which most measurements go through, and the Wiener-guided one."""

NETWORKS = {  # their kernel sizes and widths
    "9-1-5": ((9, 1, 5), (64, 32)),
    "9-3-1-5": ((9, 3, 1, 5), (64, 32, 16)),
    "9-1-1-1-5": ((9, 1, 1, 1, 5), (64, 32, 32, 16)),
}
WIENER_GUIDED = "wiener_srcnn"
WIENER_LAYERS = ((5, 3, 3, 3, 3, 3, 5), (32,) * 6)  # as in conf/model/wiener_srcnn.yaml
