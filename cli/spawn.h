/* Runs a helper program, gives it text on standard input and takes what it prints.
 *
 * Planning happens in a process of its own: the one that runs a plan carries neither the
 * planner's memory nor the solver it links.
 */
#ifndef TESS_CLI_SPAWN_H
#define TESS_CLI_SPAWN_H

#include "base/error.h"
#include "base/text.h"

/* Runs `program` (NULL-terminated argv, argv[0] being its path), writes `input` to it, appends
 * its standard output to `output_out`, waits. Its standard error is this process's. The exit
 * code goes to *exit_code_out, 128 + signal if it was killed. TESS_E_IO if it cannot be run. */
enum tess_status tess_spawn(char *const *program, const struct tess_text *input,
                            struct tess_text *output_out, int *exit_code_out,
                            struct tess_error *error);

/* Becomes the program called `name` that was installed beside this one: its input, output, signals
 * and exit code are this process's. Does not return but for an error: TESS_E_IO. */
enum tess_status tess_spawn_become(const char *name, char *const *argv,
                                   struct tess_error *error);

/* Path of the program called `name` that was installed beside this one. `path_out` holds `size`
 * bytes. TESS_E_IO if it is not there. */
enum tess_status tess_spawn_find(const char *name, char *path_out, size_t size,
                                 struct tess_error *error);

#endif
