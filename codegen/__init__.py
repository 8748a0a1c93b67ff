"""From families of expressions to compiled functions: the IR, its back ends and the cache.

This folder is the package ``symnum.codegen``; it is reached only under that name.
"""

# Imported under its bare name too, every class in here would exist twice, and the two would not mix.
if __name__ != "symnum.codegen":
    raise ImportError(
        f"this folder is the package symnum.codegen, but it is being imported as {__name__!r}. "
        "Write 'import symnum.codegen'; outside the repository root, install it first: pip install -e ."
    )
