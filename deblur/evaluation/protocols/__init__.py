"""Named measuring protocols of the literature: what they fix, their data, their measurement and published results."""
