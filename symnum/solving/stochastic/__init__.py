"""Random processes of reaction networks: exact, leaping and diffusion methods."""
