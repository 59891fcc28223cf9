/* A call of the planner program: its arguments, and what it says.
 */
#ifndef TESS_CLI_COMMAND_H
#define TESS_CLI_COMMAND_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum { TESS_COMMAND_ARGUMENTS = 40, TESS_COMMAND_NUMBERS = 8 };

struct tess_command {
    char program[4096];
    char *argv[TESS_COMMAND_ARGUMENTS];
    char numbers[TESS_COMMAND_NUMBERS][48];
    int n, n_numbers;
};

/* A call of the planner program that lies beside this one, without arguments. The command must not
 * move. TESS_E_IO if it is not there. */
enum tess_status tess_command_init(struct tess_command *command,
                                   struct tess_error *error);

/* Adds arguments; strings are borrowed until the command has run. */
void tess_command_add(struct tess_command *command, const char *argument);
void tess_command_add_pair(struct tess_command *command, const char *name,
                           const char *value); /* nothing for NULL */
void tess_command_add_number(struct tess_command *command, const char *name,
                             int64_t value);
void tess_command_add_range(struct tess_command *command, const char *name, int64_t first,
                            int64_t last);

/* Runs it with `input` on its standard input; appends what it prints to `output_out`. Its exit code
 * becomes a status. It reports its errors itself: the error's message is then empty. */
enum tess_status tess_command_run(struct tess_command *command,
                                  const struct tess_text *input,
                                  struct tess_text *output_out, struct tess_error *error);

#endif
