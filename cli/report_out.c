#include "cli/report_out.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"

enum tess_status tess_report_put(const char *json_path, const struct tess_text *json,
                                 const struct tess_text *table, struct tess_error *error)
{
    bool is_json_on_stdout = json_path && strcmp(json_path, "-") == 0;
    enum tess_status status =
        json_path ? tess_file_write_text(json_path, json, error) : TESS_OK;
    return status == TESS_OK && table && !is_json_on_stdout
               ? tess_file_write_text("-", table, error)
               : status;
}
