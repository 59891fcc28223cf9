#include "cli/command.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/spawn.h"

void tess_command_add(struct tess_command *command, const char *argument)
{
    assert(command->n + 1 < TESS_COMMAND_ARGUMENTS);
    command->argv[command->n++] = (char *)(uintptr_t)argument;
    command->argv[command->n] = NULL;
}

enum tess_status tess_command_init(struct tess_command *command, struct tess_error *error)
{
    command->n = command->n_numbers = 0;
    tess_command_add(command, command->program);
    return tess_spawn_find("tessera-planner", command->program, sizeof command->program,
                           error);
}

void tess_command_add_pair(struct tess_command *command, const char *name,
                           const char *value)
{
    if (value) {
        tess_command_add(command, name);
        tess_command_add(command, value);
    }
}

static char *next_number(struct tess_command *command)
{
    assert(command->n_numbers < TESS_COMMAND_NUMBERS);
    return command->numbers[command->n_numbers++];
}

void tess_command_add_number(struct tess_command *command, const char *name,
                             int64_t value)
{
    char *text = next_number(command);
    snprintf(text, sizeof command->numbers[0], "%" PRId64, value);
    tess_command_add_pair(command, name, text);
}

void tess_command_add_range(struct tess_command *command, const char *name, int64_t first,
                            int64_t last)
{
    char *text = next_number(command);
    snprintf(text, sizeof command->numbers[0], "%" PRId64 "..%" PRId64, first, last);
    tess_command_add_pair(command, name, text);
}

enum tess_status tess_command_run(struct tess_command *command,
                                  const struct tess_text *input,
                                  struct tess_text *output_out, struct tess_error *error)
{
    int exit_code = 0;
    enum tess_status status =
        input->is_broken
            ? tess_error_nomem(error)
            : tess_spawn(command->argv, input, output_out, &exit_code, error);
    if (status != TESS_OK || exit_code == 0)
        return status;
    for (int code = TESS_E_INTERNAL; code <= TESS_E_NOMEM; code++)
        if (tess_status_exit_code((enum tess_status)code) == exit_code)
            return tess_error_set(error, (enum tess_status)code, "%s", "");
    return tess_error_set(error, TESS_E_INTERNAL, "the planner ended with code %d",
                          exit_code);
}
