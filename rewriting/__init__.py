"""Expressions and what may be done to them: derivatives, shapes, simplification.

This folder is the package ``symnum.rewriting``; it is reached only under that name.
"""

# Imported under its bare name too, every class in here would exist twice, and the two would not mix.
if __name__ != "symnum.rewriting":
    raise ImportError(
        f"this folder is the package symnum.rewriting, but it is being imported as {__name__!r}. "
        "Write 'import symnum.rewriting'; outside the repository root, install it first: pip install -e ."
    )
