"""Where things lie in the tables that the host hands to the kernels.

One run has a table of 64-bit integers (sizes, flags, counters, addresses) and, at address FLOATS, a
table of doubles. A linear system has a table of integers of its own. Every name below is an index;
kernels see them as constants.
"""

# --- the run: integers -----------------------------------------------------------------------------------
(
    FLOATS,  # address of the table of doubles
    # sizes
    N, N_ALGEBRAIC, N_EVENTS, N_LIMITS, N_ROOTS,
    # the model: addresses of functions
    SETUP, RHS, JACOBIAN, GRADIENT, ROOTS,
    # the model: addresses of data
    P, WORK, MASS, ATOL, ALGEBRAIC, DIRECTION, SIDE_AT_ZERO, LIMIT_PARAMETER,
    # vectors of length n
    U,        # the accepted state at T
    V,        # the state at the end of the step
    END,      # the state at the sign change that ends the step early
    F0,       # f at U
    F1,       # f at V
    ERROR,    # error estimate of the step
    GT,       # df/dt at U
    Y,        # stage argument
    Z,        # right-hand side of a stage, then its solution
    SLOPE0,   # u' at U, algebraic components included
    SLOPE1,   # u' at V
    # other buffers
    INDPTR, INDICES, JACOBIAN_VALUES,  # df/du
    STAGES,   # (stages, n)
    DENSE,    # (DENSE_ROWS, n): the rows k_l of the step's interpolant
    ROOT_VALUES,       # (n_roots + n_events + n_limits): output of ROOTS, then its switching functions
    ROOTS_BEFORE,      # (n_events + n_limits): switching functions at the left end of the searched piece
    # the method
    STEP,     # address of the step function
    TABLE,    # address of its coefficients
    STAGE_COUNT, SWEEPS, EXPLICIT, FSAL, HERMITE, DENSE_ROWS, DENSE_TABLE,
    TWO_ESTIMATES,     # explicit methods: 1 where the error estimate is made of two
    # additive methods: parameters and scratch with which f is its implicit part, 0: it is not split; the
    # parameter that is 0 there; how many parameters there are
    P_IMPLICIT, WORK_IMPLICIT, EXPLICIT_PARAMETER, PARAMETERS,
    # stages that only the interpolant needs: how many, their coefficients, the function that adds them
    EXTRA_COUNT, EXTRA_TABLE, EXTEND,
    # methods that keep matrices: 1 while W is factored for W_SCALE; steps that its Jacobian has served; of W-
    # and TASE methods the step from which on they keep them
    W_READY, JACOBIAN_AGE, KEEP_FROM,
    SYSTEMS,           # addresses of linear systems, for methods with several in a step
    # other kernels, by address: only runs that need them load them
    LOCATE, COARSE, MAGNIFIES, APPROACH, SETTLE_SIDES, SWITCH_FIRED, SWITCH_OUTSIDE,
    REINITIALIZE, SLOPE_START, SLOPE_END,
    # linear algebra: two linear systems, W = M/(h gamma) - J and the algebraic block of -J, and two functions
    W, G, FACTOR, SOLVE,
    # state of the run
    PHASE, HAVE_F0, HAVE_F1, HAVE_JACOBIAN, HAVE_SLOPE0, HAVE_DENSE, ADAPTIVE, FRESH,
    # saving
    SAVE, GRID, GRID_SIZE, GRID_NEXT, SAVED_T, SAVED_U, SAVED_CAPACITY, SAVED_COUNT,
    KEEP_DENSE, KEPT, KEPT_CAPACITY, KEPT_COUNT,
    # budgets
    MAX_STEPS, PAUSE_LEFT,
    # events and limits
    SIDE,     # (n_events + n_limits): +1, -1: sign of the switching function; 0: settled by the next step
    FIRED,    # (n_events + n_limits): where the last step ended at a sign change the side before it, else 0
    FIRED_BEFORE,      # the same at the stop before
    # of stops that come ever sooner, (n_events + n_limits): how many in a row, and the side before them; how
    # far the event was from zero since its last stop and between the two before, when that was, and how long
    # after the one before it, (4, n_events); a state nearby and two sets of values; scratch of such a set
    RETURNS, CAME_FROM, HIGHEST_SINCE, NEARBY, CLEAR,
    HELD,     # (n_limits): 1 where the limit holds its state
    LOCATED,  # 1 when the accepted step ends at a sign change, 2 where stops without end would go on
    ROUNDS,   # how often limits have switched at this point, one because of another
    PENDING,  # what to return to the host once limits have been switched
    CROWDED,  # how many stops in a row came in vanishing time
    BETWEEN,  # 0 where what has changed its sign was round-off all the time since the stop before
    QUIET,    # how many such stops in a row
    LARGEST,  # (n_events,): the largest size of each event function so far
    # event functions that read more than states: bits, 1 time, 2 algebraic unknowns, 0: none does; their
    # values at the quarters of a step
    EVENT_READS, WATCHED,
    # event functions of algebraic unknowns: 1 where there are some, so that these are solved for wherever one
    # is evaluated within a step; 1 while G is factored for this step; scratch (n,); J and df/dt of the step
    RESOLVE, RESOLVE_READY, RESOLVE_F, RESOLVE_KEPT, RESOLVE_JACOBIAN, RESOLVE_GT,
    # report
    FAILURE,  # why the last step was rejected
    WORST,    # the component that a failure is about
    STEPS, REJECTED, RHS_CALLS, JACOBIANS, FACTORIZATIONS, SOLVES, EVENTS, SWITCHES, NEWTONS,
    REPIVOT_SYSTEM,    # address of the linear system that needs a new pivot order
    # a step made for this model: the step of any model, for where its pivot order is bad; its factors
    STEP_GENERIC, FACTORS, FALLBACKS,
    # looks at how stiff the system is, where the method is to change with that: the kernel that looks, 0:
    # none; 1: the method is explicit; steps at the next look and between looks; steps at the last look
    LOOK, LOOK_EXPLICIT, LOOK_NEXT, LOOK_INTERVAL, LOOK_STEPS,
    LOOK_FREE, LOOK_PATIENCE,  # looks in a row that asked for the explicit method, and how many have to
    LOOK_CHANGE,               # 1: the last look asks for the other method
    # what a method keeps from step to step; 1 while it belongs to the accepted state
    HISTORY, HAVE_HISTORY,
    PROPOSE,           # of a method that chooses the next step itself: the kernel; 0: the loop does
    INTERPOLANT,       # of a method whose rows of the interpolant are no sums over stages: the kernel; or 0
    # BDF: highest order; order; steps of this length and order; tries of this step; steps that the factors
    # have served
    HIGHEST, BDF_ORDER, BDF_EQUAL, BDF_TRIES, BDF_AGE,
    SIZE,
) = range(151)  # fmt: skip

# --- the run: doubles ------------------------------------------------------------------------------------
(
    T, T_STOP,
    H,              # proposal for the next step
    T0, H_STEP,     # start and length of the last step's interpolant
    T1,             # where the last accepted step ends (before T0 + H_STEP at an event)
    SCALE,          # 1/(h gamma) of the last W
    RTOL, MAX_STEP, FIRST_STEP,
    ERROR_BEFORE, SAFETY, EXPONENT, EXPONENT_BEFORE, SHRINK, GROW,
    ORDER,          # order of the error estimate + 1
    LAST_STOP,      # time of the last event or switch
    STEP_CAP,       # bound on the first step after an event
    RESIDUAL,       # largest algebraic residual of the last re-initialization
    W_SCALE,        # `SCALE` of the factors at hand, where they are kept
    CONTRACTION,    # the worst of the last step's Newton iterations
    STEADY,         # a step that would grow by less than this stays as it is, with its factors
    EXPONENT_RATIO, # of the last change of the step in the next one
    H_BEFORE,       # the accepted step before the last one; 0: there is none
    RADIUS,         # spectral radius of the Jacobian at the last look
    LOOK_T, LOOK_END,          # the last look, and the end of the run
    LOOK_STABLE,    # the stability interval of the explicit method
    LOOK_RATIO,     # how many explicit steps cost as much as a stiff one
    LOOK_AFFORDABLE,           # explicit steps that take as long as a stiff run
    LOOK_REMAINING,            # explicit steps to come, at the last look
    HISTORY_STEP,   # BDF: length of the steps that differences are for; Radau: of the step that is kept
    ATTEMPT_T, ATTEMPT_H,      # where matrices are kept: start and length of the step that was tried last
    # Radau: of the complex matrix the scale and, right behind it, the scale of its imaginary part
    SCALE_PAIR, COUPLING,
    NEWTON_RATE,    # contraction / (1 - contraction) of the last iterations
    BDF_RATE,       # contraction that was seen last with this Jacobian; 0: none yet
    DEVIATION,      # how far a step is from showing all its events, in units of what is let pass
    LONGEST,        # accepted step so far
    SHARE,          # of the step that an event seems to end
    FLOATS_SIZE,
) = range(43)  # fmt: skip

# --- a linear system -------------------------------------------------------------------------------------
(
    KIND, SYSTEM_N,
    ENTRIES, SOURCE, TARGET,             # store[TARGET[e]] = -J[SOURCE[e]]
    DIAGONALS, DIAGONAL,                 # store[DIAGONAL[m]] += scale
    COUPLINGS, COUPLED,                  # store[COUPLED[m]] += coupling, and -= at COUPLED[COUPLINGS + m]
    MATRIX, SCALE_AT,                    # addresses of the values of J and of `scale`, before `coupling`
    STORE, STORE_SIZE,
    RIGHT,                               # the vector that is solved for, in place
    PIVOTS, GETRF, GETRS,                # dense
    INVERSE, Y_PERMUTED,                 # (n,) reciprocal pivots; scratch
    LEVELS, LEVEL_PIVOT, LEVEL_LOWER, LEVEL_OPERATION,
    LOWER_START, UPPER_START,            # (n + 1,): first entry in each column
    LOWER_COUNT, LOWER_ROW, LOWER_COLUMN, UPPER_COUNT, UPPER_ROW, UPPER_COLUMN,
    OPERATION_TO, OPERATION_LOWER, OPERATION_UPPER,
    ROW_ORDER, COLUMN_ORDER,
    TAIL,                                # size of the last block, which is dense and stands last in the store
    SYSTEM_FRESH,                        # 1 until the first factorization after an analysis
    SYSTEM_INNER, SYSTEM_FACTOR, SYSTEM_SOLVE,  # a solver by address: its table and its two functions
    SYSTEM_SIZE,
) = range(42)  # fmt: skip

UNKNOWN, DENSE_OWN, DENSE_LAPACK, SPARSE, COLUMNS, BY_ADDRESS = range(6)  # KIND

# --- solvers by address: all of their tables begin alike -------------------------------------------------
IN_RIGHT, IN_MATRIX, IN_SCALE_AT, IN_N = range(4)  # as RIGHT, MATRIX, SCALE_AT, SYSTEM_N

# straight-line code for one pattern: its factors
(SL_FACTORS, SL_SIZE) = range(4, 6)

# a product of banded matrices, one for each direction of a grid
(
    SP_BATCHES, SP_TABLES,               # addresses of the tables of batches
    SP_ROWS,                             # row of each entry of J
    SP_OUTER, SP_TOTAL,                  # (n,): sums over the rows of one direction, and of all
    SP_SCRATCH,
    # entries of J that are alike on all lines as long as coefficients are: blocks
    SP_ENTRIES, SP_BLOCK, SP_BLOCKS,     # nnz; block of each entry of J, -1: none; how many
    SP_FIRST, SP_REFERENCE,              # an entry of each block, -1 of an empty one; its value
    SP_OWNER, SP_DIFFERENT,              # batch of each block; 1 where entries of a block differ
    SP_SIZE,
) = range(4, 18)  # fmt: skip

# lines of one direction that are alike: a batch
(
    B_LINES, B_LENGTH, B_WIDTH,          # how many; unknowns on each; half-bandwidth
    B_ENTRIES, B_SOURCE, B_TARGET,       # band[TARGET[e]] = -a J[SOURCE[e]]
    B_PLACE,                             # (length, lines): number of the unknown, -1 where a line is shorter
    B_BAND,                              # (length, 2 width + 1, lines)
    B_LINE,                              # (length, 2 width + 1): the factors where all lines are equal
    B_SHARED,                            # 1 where they are
    B_LOCAL,                             # 1 for what happens at a point; it takes what directions leave
    B_CHUNK,                             # lines that are solved together
    B_BLOCK,                             # the first of its (length, 2 width + 1) blocks; -1: it has none
    B_SIZE,
) = range(14)  # fmt: skip

# incomplete LU factors over the pattern of the matrix itself
(
    IC_START, IC_COLUMN, IC_DIAGONAL,    # rows: (n + 1,), (nnz,), (n,)
    IC_ENTRIES, IC_SOURCE, IC_TARGET,    # values[TARGET[e]] = -J[SOURCE[e]]
    IC_MASS, IC_VALUES, IC_WHERE,        # (n,), (nnz,), int32 (n,)
    IC_NNZ,
    IC_SIZE,
) = range(4, 15)  # fmt: skip

# GMRES and BiCGStab
(
    KR_INDPTR, KR_INDICES, KR_MASS,      # J in CSC form; diagonal of M
    KR_INNER, KR_FACTOR, KR_SOLVE,       # the preconditioner: its table and its functions
    KR_U, KR_ATOL, KR_FLOATS,            # of the run
    KR_SLOPES,                           # 1 where solutions are rates, whose errors count times the step
    KR_HELD,                             # the tolerance over what the method holds its errors to
    KR_WEIGHT, KR_BASIS, KR_HESSENBERG,  # (n,), (RESTART + 2, n) or (5, n), see `krylov`
    KR_PRODUCTS,                         # how many products with J were made
    KR_SIZE,
) = range(4, 20)  # fmt: skip
KR_RESTART = 30

SAVE_STEPS, SAVE_GRID = range(2)  # SAVE

RESTART, STEPPING, SAVING, SWITCHING = range(4)  # PHASE

# --- what the kernels return -----------------------------------------------------------------------------
(
    OK, DONE, PAUSED, BUFFER_FULL, EVENT, REPIVOT, STEP_TOO_SMALL, MAX_STEPS_REACHED, NOT_FINITE, SINGULAR,
    ZENO, CHATTER, NOT_CONVERGED,
    NEGATIVE_RATE, NEGATIVE_COUNT, UNCOUNTABLE,  # of a stochastic run
) = range(16)  # fmt: skip

# --- choosing a pivot order and building the tables ------------------------------------------------------
(
    A_N, A_INDPTR, A_INDICES, A_VALUES,              # the matrix: CSC pattern and numbers
    A_DENSE, A_FILLED, A_LISTS,                      # of `pivot`: (n, n) doubles and bytes, (2 n, n) int32
    A_ROW_COUNT, A_COLUMN_COUNT,                     # (n,), (n,)
    A_PIVOT_ROW, A_PIVOT_COLUMN,                     # (n,): row and column of the k-th pivot
    A_LOWER_START, A_LOWER, A_UPPER_START, A_UPPER,  # for each pivot the rows of L and the columns of U
    A_CAPACITY,                                      # room in A_LOWER and in A_UPPER
    A_RANK,                                          # how many pivots were found
    A_OPERATIONS,                                    # number of updates; before `tables`, 0: do not list them
    A_LEVELS,
    A_SCRATCH,                                       # int32: (8 n + 8,), (2 n + A_CAPACITY,)
    A_SYSTEM,                                        # the linear system whose tables are filled
    A_POSITION,                                      # (nnz,): place of each entry in the store
    A_SIZE,
) = range(23)  # fmt: skip

# --- an ensemble in lanes: integers ----------------------------------------------------------------------
(
    L_LANES, L_N, L_PARAMETERS, L_STAGES, L_FSAL, L_EXPLICIT,
    L_FIRST, L_LAST,                     # members of this call: first, one behind the last
    L_STARTS, L_VALUES,                  # (members, n), (members, n_parameters)
    L_TIMES, L_COUNT, L_SAVED,           # (m,) times to save at, m, (members, m, n)
    L_STATUS, L_STEPS_OUT, L_REJECTED_OUT,  # (members,): int64, doubles, doubles
    L_MAX_STEPS, L_DENSE, L_DENSE_ROWS,
    L_BEGIN_LANES, L_RUN,                # functions of the model, on all lanes
    L_FLOATS,                            # address of the doubles below
    # one number or vector of n, n_parameters, ... per lane, the lanes side by side
    L_U, L_V, L_Y, L_F0, L_F1, L_ERROR, L_GRADIENT, L_JACOBIAN, L_P, L_WORK, L_K, L_LU, L_ATOL,
    L_T, L_FRESH, L_H, L_STEP, L_T1, L_NEXT, L_BEFORE, L_SHRUNK, L_ACCEPTED, L_ACTIVE, L_TAKEN, L_REFUSED,
    L_ATTENTION,
    L_MEMBER, L_POSITION,                # int64 for each lane
    L_SIZE,
) = range(51)  # fmt: skip

(L_BEGIN, L_END, L_RTOL, L_MAX_STEP, L_FIRST_STEP, L_ORDER, L_FLOATS_SIZE) = range(7)

L_NOTHING, L_CROSSED, L_TOO_SMALL, L_BAD_VALUE, L_TOO_MANY, L_PIVOT = range(6)  # ATTENTION, as doubles

# --- a stochastic run: integers ----------------------------------------------------------------------------
(
    S_FLOATS,                            # address of the doubles below
    S_SPECIES, S_ENTRIES, S_REACTIONS,   # entries that change: species, then sums over them
    S_X,                                 # (entries + parameters + numbers,): all that propensities read
    S_RANDOM,                            # the stream, see `random`
    S_KIND, S_ONE, S_TWO,                # int32 (m,): kind of propensity, first and second reactant
    S_CONSTANT,                          # (m,): its constant factor
    S_POWER_START, S_POWER, S_POWER_COUNT,  # int32 (m + 1,), reactants and their multiplicities
    S_FUNCTION,                          # (m,): address of the propensity of a general law
    S_LEAF_START, S_LEAF,                # int32 (m + 1,), the places in X that the law reads
    S_LEAVES, S_WORK,                    # scratch of the laws
    S_CHANGE_START, S_CHANGE, S_CHANGE_COUNT,  # int32 (m + 1,), entries that a reaction changes; doubles
    S_RANGE_START, S_RANGES, S_DEPENDENT,  # int32 (m + 1,), (ranges, 2): where what depends on it stands
    S_PROPENSITY,                        # (m,)
    S_ADVANCE,                           # the function of the method that runs to T_STOP
    # search structures
    S_ORDER, S_PLACE,                    # int32 (m,): reactions as they are searched, and the inverse
    S_BIN_START, S_BIN_TOTAL, S_BIN_BOUND,  # int32 (BINS + 1,), doubles (BINS,): sum and upper bound
    S_TOP,                               # exponent of the last bin
    S_UNTIL_REFRESH,                     # events until sums are formed anew
    # leaping
    S_REACTANT_START, S_REACTANT, S_ORDERS,  # int32 (m + 1,): what a propensity depends on; doubles: how
    S_MEAN, S_VARIANCE, S_HIGHEST,       # (entries,): of the change per time; orders
    S_NEXT,                              # (entries,): X before a leap
    S_CRITICAL,                          # int32 (m,)
    S_SECOND_STAGE,                      # (m,): propensities at the first stage
    # saving and budgets
    S_PERMUTATION, S_ROW,                # int32 (n,): place in X of each saved number; n
    S_EVERY,                             # 1: after every event or step
    S_GRID, S_GRID_SIZE, S_GRID_NEXT, S_SAVED_T, S_SAVED, S_SAVED_CAPACITY, S_SAVED_COUNT,
    S_PAUSE_LEFT, S_MAX_STEPS, S_STEPS, S_EVENTS, S_REJECTED,
    S_FRESH,                             # 1: propensities are to be computed anew
    S_FAILED,                            # the reaction or entry that a failure is about
    # an ensemble
    S_FIRST, S_LAST, S_STARTS, S_STREAMS, S_OUT, S_STATUS, S_STEPS_OUT, S_EVENTS_OUT, S_REJECTED_OUT,
    # differential equations between the events
    S_RUN, S_LOOP,                       # addresses of the run's table and of its `advance`
    S_PLACES, S_HAZARD, S_THRESHOLD,     # int32 (n,): places of the species in U; places in U and in P
    S_SLOW,                              # number of reactions that happen as events
    S_WHOLE,                             # int32 (species,): 1 where no reaction runs continuously
    S_MANY,                              # int32 (species,): 1 where there are many
    S_PASSED,                            # 1: after an event a species is no longer, or newly, one of many
    S_MEMBER_START, S_MEMBER, S_WEIGHT,  # int32 (sums + 1,), species of each sum; doubles
    S_SIZE,
) = range(81)  # fmt: skip

(
    S_T, S_T_STOP, S_BEGIN,
    S_TOTAL, S_SEEN_TOTAL,               # sum of all propensities; the same when it was last formed anew
    S_EPSILON, S_STEP, S_MAX_STEP, S_THETA,
    S_LOW, S_HIGH,                       # below and from which a species ceases to be, or is, one of many
    S_FLOATS_SIZE,
) = range(12)  # fmt: skip

CONSTANT_RATE, FIRST_ORDER, TWO_SPECIES, ONE_SPECIES_TWICE, FALLING, GENERAL = range(6)  # KIND
BINS = 32  # of the composition-rejection search; the first holds propensities that are zero

# --- a recorded run and its adjoint: integers --------------------------------------------------------------
(
    D_RUN, D_ADVANCE,                    # the run's table; `advance` of the loop
    D_STOPS, D_STOP_COUNT, D_STOP_NEXT,  # times that are met exactly, and the next of them
    D_STOP_STEPS,                        # int64 (D_STOP_COUNT,): steps that were made up to each
    # the adjoint: from step D_AT down to the first, in records of times (steps + 1,) and states (., n)
    D_AT, D_TIMES, D_STATES,
    D_PLACES, D_COTANGENTS,              # int64 (steps + 1,): row of the cotangents (., n) added there, or -1
    D_LAMBDA, D_PARAMETERS,              # (n,), (n_parameters,): the adjoint, and what was found for p
    D_RHS_PULLBACK, D_JACOBIAN_PULLBACK, D_GRADIENT_PULLBACK,
    D_INPUT, D_OUTPUT, D_WORK,           # arguments and scratch of these
    D_ARGUMENTS, D_BARS,                 # (stages, n): arguments of f; cotangents of the stages
    D_OMEGA, D_ENTRIES,                  # (n,), (nnz,): cotangents of df/dt and of the entries of df/du
    D_PARAMETER_COUNT, D_SOLVE_TRANSPOSED,
    # 0, or (steps,): the weight of the root of each error estimate, of what order, and where they are summed
    D_EFFORT, D_EFFORT_ORDER, D_EFFORT_SUM,
    D_SIZE,
) = range(29)  # fmt: skip

# --- one function of a model at many points: integers ------------------------------------------------------
(
    F_FUNCTION, F_COUNT,                 # its address; how many points
    F_T,                                 # (count,) times
    F_OUT, F_U, F_P,                     # one row for each point
    F_OUT_ROW, F_U_ROW, F_P_ROW,         # lengths of the rows; 0: all points have the same
    F_WORK,
    F_SIZE,
) = range(11)  # fmt: skip
