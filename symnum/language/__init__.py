"""What a user writes: variables, components, connections, events, limits, units and systems."""
