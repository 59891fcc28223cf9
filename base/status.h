/* Result codes of every function that can fail.
 *
 * A status says that the world did not play along: files, memory, peers, options. Our own
 * mistakes are asserts, not statuses. Details for people travel in `struct tess_error`
 * (base/error.h); this header refuses to hold text.
 */
#ifndef TESS_BASE_STATUS_H
#define TESS_BASE_STATUS_H

enum tess_status {
    TESS_OK = 0,
    TESS_E_INTERNAL,   /* an invariant of ours broke */
    TESS_E_USAGE,      /* command line */
    TESS_E_CONFIG,     /* plan, profile or other configuration text */
    TESS_E_MODEL,      /* network description or weights */
    TESS_E_INFEASIBLE, /* no plan fits the budget */
    TESS_E_BUDGET,     /* the budget was exceeded while running */
    TESS_E_NETWORK,    /* peer or link */
    TESS_E_VERIFY,     /* the independent checker disagrees */
    TESS_E_IO,         /* a file could not be read or written */
    TESS_E_NOMEM       /* the system refused memory */
};

/* Exit code that the command line documents for a status: 0 ok, 1 internal (also IO and
 * NOMEM), 2 usage, 3 config or plan, 4 model, 5 infeasible, 6 budget exceeded, 7 network,
 * 8 verify. */
int tess_status_exit_code(enum tess_status status);

/* Short English name, never NULL. */
const char *tess_status_name(enum tess_status status);

#endif
