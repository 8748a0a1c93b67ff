"""Heat in lumped bodies: storage, conduction, convection, radiation."""
