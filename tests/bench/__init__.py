"""How fast the hot paths are: `make bench` prints it; what is claimed elsewhere is measured here."""
