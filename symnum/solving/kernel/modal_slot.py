"""Where things lie in the tables of runs in Fourier space. Every name is an index; see `slot`.

Complex vectors over the n modes are two real ones, one after the other: real parts, then imaginary parts.
"""

# --- the run: integers -----------------------------------------------------------------------------------
(
    M_FLOATS,  # address of the table of doubles
    M_POINTS,  # n: points of the grid, and modes of each component
    M_COMPONENTS, M_STAGES,
    # what is nonlinear: transforms before and after, and the compiled function between
    M_INPUTS, M_INPUT_TABLE, M_OUTPUTS, M_OUTPUT_TABLE,
    M_RHS, M_P, M_WORK,
    M_U,       # (pairs, 2, n) its arguments: two real quantities for each transform
    M_OUT,     # (pairs, 2, n) its results
    M_OPPOSITE,  # (n) int32: the mode of the opposite wave number
    M_AXES, M_AXIS_TABLE, M_SCRATCH,
    # vectors of (components, 2, n)
    M_STATE, M_NEXT, M_ARGUMENT,
    M_TERMS,   # (stages + 1) of them: N of every stage, and at the end of the step
    M_KEPT,    # 0, or two of them: the state and N at the begin of the last step
    # the method: addresses of weights (components, 2, n), or 0 for none. Rows: stages 2, 3, ..., the change,
    # the error; columns: the state, N of every stage, N at the end
    M_WEIGHTS, M_NODES,
    M_REAL,    # (components) int64: 1 where a field is real, so that opposite modes are conjugate
    M_ATOL,    # (components)
    # state of the run
    M_ADAPTIVE, M_HAVE_FIRST, M_LEFT, M_PAUSE_LEFT,
    # counts
    M_STEPS, M_REJECTED, M_EVALUATIONS,
    N_MODAL,
) = range(34)  # fmt: skip

# --- the run: doubles ------------------------------------------------------------------------------------
# the time, where LEFT steps of length H end, the last error, and below which error longer steps pay
M_T, M_STOP, M_H, M_RTOL, M_ERROR, M_ROOM, N_MODAL_FLOATS = range(7)

# a transform before: components and symbols (addresses) of its real and its imaginary part; -1: none
I_FIRST, I_FIRST_SYMBOL, I_SECOND, I_SECOND_SYMBOL, N_INPUT = range(5)
# a transform after: as before; O_COMPLEX 1: its result is a part of the first component as it is
O_COMPLEX, O_FIRST, O_FIRST_SYMBOL, O_SECOND, O_SECOND_SYMBOL, N_OUTPUT = range(6)
# an axis: its length, the number of lines before it, the points of each line behind it, its factors
X_LENGTH, X_BEFORE, X_BEHIND, X_FACTORS, X_FACTOR_COUNT, X_TWIDDLES, N_AXIS = range(7)

M_DONE, M_PAUSED, M_LEFT_OUT, M_LONGER, M_NOT_FINITE = range(5)
