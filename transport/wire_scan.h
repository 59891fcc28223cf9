/* Is this a MessagePack value that is safe to unpack? Answers without allocating anything.
 *
 * msgpack-c believes the counts that it reads: five bytes can make it ask for 16 GiB. So
 * every header is scanned first, and only what passes is given to the library. Meaning is
 * none of its business: transport/wire.h checks that.
 */
#ifndef TESS_TRANSPORT_WIRE_SCAN_H
#define TESS_TRANSPORT_WIRE_SCAN_H

#include <stddef.h>

enum {
    TESS_WIRE_HEADER_MAX_BYTES = 1024,
    TESS_WIRE_DEPTH_MAX = 4,  /* arrays in arrays */
    TESS_WIRE_ITEMS_MAX = 128 /* arrays and what they hold, all together */
};

enum tess_wire_scan {
    TESS_SCAN_OK = 0,
    TESS_SCAN_TOO_LONG,
    TESS_SCAN_TRUNCATED, /* it ends before its counts say, or is empty */
    TESS_SCAN_TOO_DEEP,
    TESS_SCAN_TOO_MANY, /* items, or a count beyond the bytes left */
    TESS_SCAN_TRAILING, /* bytes after the value */
    TESS_SCAN_TYPE      /* anything but integers, strings, binaries and arrays */
};

/* Cost: one pass, at most TESS_WIRE_ITEMS_MAX steps. */
enum tess_wire_scan tess_wire_scan(const void *bytes, size_t n_bytes);

#endif
