#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int tess_status_exit_code(enum tess_status status)
{
    switch (status) {
    case TESS_OK: return 0;
    case TESS_E_USAGE: return 2;
    case TESS_E_CONFIG: return 3;
    case TESS_E_MODEL: return 4;
    case TESS_E_INFEASIBLE: return 5;
    case TESS_E_BUDGET: return 6;
    case TESS_E_NETWORK: return 7;
    case TESS_E_VERIFY: return 8;
    case TESS_E_INTERNAL:
    case TESS_E_IO:
    case TESS_E_NOMEM: return 1;
    }
    return 1;
}

const char *tess_status_name(enum tess_status status)
{
    switch (status) {
    case TESS_OK: return "ok";
    case TESS_E_INTERNAL: return "internal";
    case TESS_E_USAGE: return "usage";
    case TESS_E_CONFIG: return "config";
    case TESS_E_MODEL: return "model";
    case TESS_E_INFEASIBLE: return "infeasible";
    case TESS_E_BUDGET: return "budget exceeded";
    case TESS_E_NETWORK: return "network";
    case TESS_E_VERIFY: return "verify";
    case TESS_E_IO: return "input/output";
    case TESS_E_NOMEM: return "out of memory";
    }
    return "unknown";
}

void tess_error_init(struct tess_error *error)
{
    memset(error, 0, sizeof *error);
}

static bool is_recorded(const struct tess_error *error)
{
    return error->status != TESS_OK;
}

static void record(struct tess_error *error, enum tess_status status, const char *file,
                   int line, int col)
{
    error->status = status;
    error->line = line;
    error->col = col;
    error->hint[0] = '\0';
    snprintf(error->file, sizeof error->file, "%s", file ? file : "");
}

enum tess_status tess_error_set(struct tess_error *error, enum tess_status status,
                                const char *format, ...)
{
    assert(status != TESS_OK);
    if (!error || is_recorded(error))
        return status;
    record(error, status, NULL, 0, 0);
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return status;
}

enum tess_status tess_error_at(struct tess_error *error, enum tess_status status,
                               const char *file, int line, int col, const char *format,
                               ...)
{
    assert(status != TESS_OK);
    if (!error || is_recorded(error))
        return status;
    record(error, status, file, line, col);
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return status;
}

void tess_error_hint(struct tess_error *error, const char *format, ...)
{
    if (!error || !is_recorded(error) || error->hint[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(error->hint, sizeof error->hint, format, args);
    va_end(args);
}

enum tess_status tess_error_nomem(struct tess_error *error)
{
    return tess_error_set(error, TESS_E_NOMEM, "the system has no memory left to give");
}
