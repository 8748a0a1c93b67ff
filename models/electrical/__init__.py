"""Electrical circuits: passive elements, sources, switches, semiconductors, amplifiers, a motor."""
