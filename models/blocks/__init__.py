"""Signal blocks: each takes ``u`` from an equation of the system and gives ``y``."""
