"""Solvers on a GPU: ensembles, one trajectory a thread, and large systems on device arrays."""
