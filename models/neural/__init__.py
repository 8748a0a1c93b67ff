"""Neural parts of models: surrogates that learn a system from its equations."""
