/* Values as canonical YAML text, the same in every locale.
 *
 * Only what is not a plain printf: names that may need quotes, and decimal numbers. Read
 * back with plan/yaml_doc.h and written again, they give the same bytes.
 */
#ifndef TESS_PLAN_YAML_WRITE_H
#define TESS_PLAN_YAML_WRITE_H

#include "base/text.h"

/* Appends a name: plain if every YAML reader takes it for a string, else in double
 * quotes. What no plan may hold (control characters, bytes that are no UTF-8) becomes
 * '?'. */
void tess_yaml_write_name(struct tess_text *text, const char *name);

/* Appends `value` rounded to `n_places` decimal places (0 to 6), without trailing zeros.
 * 0 <= value and value * 10^n_places <= 10^14, so that reading the text back and writing
 * it again rounds to the same digits. */
void tess_yaml_write_decimal(struct tess_text *text, double value, int n_places);

#endif
