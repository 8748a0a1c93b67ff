"""Neural parts of models: cells for series, and surrogates that learn a system from its equations."""

from symnum.models.neural.liquid import ClosedForm, LiquidTimeConstants

__all__ = ["ClosedForm", "LiquidTimeConstants"]
