"""Ready-made partial differential equations: functions that give a `PDE` to discretize.

>>> import symnum as sn
>>> from symnum.models.spatial import reaction_diffusion
>>> model = reaction_diffusion.gray_scott()
>>> system = sn.discretize(model, dict.fromkeys(model.coordinates, sn.Central(points=64)))
"""
