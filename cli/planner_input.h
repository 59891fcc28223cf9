/* What the planner program reads besides the model.
 */
#ifndef TESS_CLI_PLANNER_INPUT_H
#define TESS_CLI_PLANNER_INPUT_H

#include "base/error.h"
#include "base/text.h"
#include "plan/facts.h"
#include "plan/profile.h"

/* Fills the profile from a file; leaves it as it is if `path` is NULL. TESS_E_CONFIG, TESS_E_IO. */
enum tess_status tess_planner_read_profile(const char *path, struct tess_profile *profile,
                                           struct tess_error *error);

/* Takes standard input whole: strings, each ended by a zero byte. On success `strings_out`
 * [n_strings] point into `text_out`, and there are no more. TESS_E_CONFIG, TESS_E_IO. */
enum tess_status tess_planner_read_strings(struct tess_text *text_out,
                                           const char **strings_out, int n_strings,
                                           struct tess_error *error);

#endif
