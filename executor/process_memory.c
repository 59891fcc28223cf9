#include "executor/process_memory.h"

#include <stdio.h>
#include <string.h>

/* The line "key:  N kB" of a file under /proc, in bytes; 0 if there is none. */
static int64_t read_kilobytes(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    char line[256];
    long long kilobytes = 0;
    size_t key_len = strlen(key);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, key_len) == 0 &&
            sscanf(line + key_len, ": %lld kB", &kilobytes) == 1)
            break;
    }
    fclose(file);
    return kilobytes * 1024;
}

int64_t tess_process_resident_bytes(void)
{
    /* VmRSS lags behind by some pages per thread; the sum over the maps does not. */
    int64_t bytes = read_kilobytes("/proc/self/smaps_rollup", "Rss");
    return bytes > 0 ? bytes : read_kilobytes("/proc/self/status", "VmRSS");
}

int64_t tess_process_peak_bytes(void)
{
    return read_kilobytes("/proc/self/status", "VmHWM");
}
