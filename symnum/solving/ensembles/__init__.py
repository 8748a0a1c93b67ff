"""Ensembles: one problem with many parameters, starts and seeds; how they are run, shared out and kept."""
