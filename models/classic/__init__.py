"""The classic test problems of solvers, each as a `Problem` that is ready to be solved.

``sn.solve(kinetics.hires())``. Sources: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I
(2nd ed. 1993) and II (2nd ed. 1996); Mazzia & Magherini, Test Set for Initial Value Problem Solvers, release
2.4 (2008), whose end values the tests compare with.
"""
