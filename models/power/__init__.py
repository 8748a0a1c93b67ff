"""Power systems: network, machines, controls, their power flow and steady state, and ready-made grids."""
