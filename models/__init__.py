"""Ready-made systems and file readers, one folder for each family.

This folder is the package ``symnum.models``; it is reached only under that name.
"""

# Imported under its bare name too, every class in here would exist twice, and the two would not mix.
if __name__ != "symnum.models":
    raise ImportError(
        f"this folder is the package symnum.models, but it is being imported as {__name__!r}. "
        "Write 'import symnum.models'; outside the repository root, install it first: pip install -e ."
    )
