"""From a System to compiled functions, one pass to a file."""
