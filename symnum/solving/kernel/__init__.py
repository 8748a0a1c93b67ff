"""The compiled stepping core: kernel code in Python, LLVM text by numba, cached objects."""
