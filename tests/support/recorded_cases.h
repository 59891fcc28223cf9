/* Recorded cases: folders with an input and what must come of it, `error` or `dump`. With
 * TESS_TEST_UPDATE set, what comes of them is recorded anew. */
#ifndef TESS_TESTS_SUPPORT_RECORDED_CASES_H
#define TESS_TESTS_SUPPORT_RECORDED_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* FILE:LINE:COLUMN: error: ..., and the hint on a line of its own. */
static inline void recorded_put_error(const struct tess_error *error,
                                      struct tess_text *text)
{
    tess_text_printf(text, "%s", error->file);
    if (error->line > 0)
        tess_text_printf(text, ":%d:%d", error->line, error->col);
    tess_text_printf(text, ": error: %s\n", error->message);
    if (error->hint[0])
        tess_text_printf(text, "hint: %s\n", error->hint);
}

/* Reads the file, which must be there. The caller releases. */
static inline struct tess_text recorded_input(const char *folder, const char *name)
{
    char path[600];
    struct tess_text text = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (tess_file_read(path, 4 << 20, &text, NULL) != TESS_OK)
        fail_msg("cannot read %s", path);
    return text;
}

/* Compares with FOLDER/NAME, or writes it. */
static inline void recorded_expect(const char *folder, const char *name,
                                   const struct tess_text *got)
{
    char path[600];
    struct tess_text wanted = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (getenv("TESS_TEST_UPDATE"))
        assert_int_equal(tess_file_write_text(path, got, NULL), TESS_OK);
    else if (tess_file_read(path, 4 << 20, &wanted, NULL) != TESS_OK)
        fail_msg("%s: nothing recorded, but got:\n%s", path, tess_text_string(got));
    else if (strcmp(tess_text_string(got), tess_text_string(&wanted)) != 0)
        fail_msg("%s: got:\n%s", path, tess_text_string(got));
    tess_text_release(&wanted);
}

/* Calls `check` with each folder of `parent`, in order: how many there are. */
static inline int recorded_each(const char *parent,
                                void (*check)(const char *folder, void *context),
                                void *context)
{
    struct dirent **entries = NULL;
    int n_entries = scandir(parent, &entries, NULL, alphasort), n_cases = 0;
    for (int i = 0; i < n_entries; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, "%s/%s", parent, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            check(folder, context);
            n_cases++;
        }
        free(entries[i]);
    }
    free(entries);
    return n_cases;
}

#endif
