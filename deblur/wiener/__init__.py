"""Wiener filters: spectra, filters by DCT and by FFT, noise estimates."""
