#include "cli/planner_input.h"

#include <string.h>

#include "base/file.h"

enum { PROFILE_LIMIT_BYTES = 1 << 20 };
/* Facts, a cluster plan, a cfg of at most 4 MiB. */
enum { STRINGS_LIMIT_BYTES = 8 << 20 };

enum tess_status tess_planner_read_profile(const char *path, struct tess_profile *profile,
                                           struct tess_error *error)
{
    struct tess_text text;
    if (!path)
        return TESS_OK;
    tess_text_init(&text);
    enum tess_status status = tess_file_read(path, PROFILE_LIMIT_BYTES, &text, error);
    if (status == TESS_OK)
        status =
            tess_profile_read(tess_text_string(&text), text.len, path, profile, error);
    tess_text_release(&text);
    return status;
}

enum tess_status tess_planner_read_strings(struct tess_text *text_out,
                                           const char **strings_out, int n_strings,
                                           struct tess_error *error)
{
    enum tess_status status = tess_file_read("-", STRINGS_LIMIT_BYTES, text_out, error);
    if (status != TESS_OK)
        return status;
    const char *at = tess_text_string(text_out), *end = at + text_out->len;
    for (int i = 0; i < n_strings; i++) {
        const char *zero = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        if (!zero)
            return tess_error_set(error, TESS_E_CONFIG,
                                  "standard input ends early: %d of %d strings", i,
                                  n_strings);
        strings_out[i] = at;
        at = zero + 1;
    }
    return at == end
               ? TESS_OK
               : tess_error_set(error, TESS_E_CONFIG,
                                "standard input has more than %d strings", n_strings);
}
