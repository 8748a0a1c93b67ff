"""Physics-informed surrogates: networks that are trained on the residual of the equations that they solve.

>>> import symnum as sn
>>> from symnum.models.neural import pinn
>>> x = sn.variable("x")
>>> rate = sn.parameter(1.0, name="rate")
>>> problem = sn.Problem(sn.System("decay", [sn.D(x) == -rate * x]), {x: 1.0}, span=(0, 2))
>>> pinn.surrogate(problem, {rate: (0.5, 2.0)}, hidden=[8])
<Surrogate of decay: (t, rate) -> 1 unknowns, 2 -> 8 -> 1, tanh>
"""

from symnum.models.neural.pinn.samples import Samples, sample
from symnum.models.neural.pinn.surrogates import Prediction, Surrogate, surrogate
from symnum.models.neural.pinn.training import Training, train

__all__ = ["Prediction", "Samples", "Surrogate", "Training", "sample", "surrogate", "train"]
