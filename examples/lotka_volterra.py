"""Predators and prey, the ten-line model: ``python examples/lotka_volterra.py``."""

import symnum as sn

hares, foxes = sn.variables("hares foxes")
birth, bite, growth, death = sn.parameters(birth=1.1, bite=0.4, growth=0.1, death=0.4)
model = sn.System(
    "lotka_volterra",
    [
        sn.D(hares) == birth * hares - bite * hares * foxes,
        sn.D(foxes) == growth * hares * foxes - death * foxes,
    ],
)
problem = sn.Problem(model, {hares: 10, foxes: 10}, span=(0, 70))
solution = sn.solve(problem, "Tsit5", rtol=1e-8, atol=1e-10)

# the orbit is closed: this quantity never changes
energy = growth * hares - death * sn.log(hares) + bite * foxes - birth * sn.log(foxes)
values = solution[energy]
most_hares, most_foxes = solution[hares].max(), solution[foxes].max()
print(f"{len(solution.t) - 1} steps, up to {most_hares:.1f} hares and {most_foxes:.1f} foxes")
print(f"the invariant drifts by {abs(values - values[0]).max():.1e}")
