/* What the operating system says this process holds.
 *
 * Reads /proc; on systems without it every answer is 0, which callers take as unknown.
 */
#ifndef TESS_EXECUTOR_PROCESS_MEMORY_H
#define TESS_EXECUTOR_PROCESS_MEMORY_H

#include <stdint.h>

/* Resident bytes now, counted page by page. Cost: some 0.1 ms. */
int64_t tess_process_resident_bytes(void);

/* The most that were ever resident (VmHWM). */
int64_t tess_process_peak_bytes(void);

#endif
