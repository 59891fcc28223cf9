#include "transport/wire_scan.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/* Reference: the MessagePack specification, table of formats.
 *
 * Instead of recursion, the items still missing of each open array are kept; depth bounds
 * the table. Each item takes a byte at least, so an array cannot hold more items than there
 * are bytes left: that is checked before anything else believes the count. */

/* What a first byte announces. */
struct format {
    int n_length_bytes; /* of the length or count that follows */
    int64_t length;     /* bytes that follow, or items of an array */
    bool is_array;
};

/* Answers false for a type that headers do not use. */
static bool describe(unsigned char first, struct format *format_out)
{
    struct format format = {0, 0, false};
    if (first <= 0x7f || first >= 0xe0) { /* fixint, negative fixint */
    } else if (first >= 0x90 && first <= 0x9f) {
        format.length = first & 0x0f;
        format.is_array = true;
    } else if (first >= 0xa0 && first <= 0xbf) { /* fixstr */
        format.length = first & 0x1f;
    } else if (first >= 0xcc && first <= 0xcf) { /* uint 8, 16, 32, 64 */
        format.length = (int64_t)1 << (first - 0xcc);
    } else if (first >= 0xd0 && first <= 0xd3) { /* int 8, 16, 32, 64 */
        format.length = (int64_t)1 << (first - 0xd0);
    } else if (first >= 0xc4 && first <= 0xc6) { /* bin 8, 16, 32 */
        format.n_length_bytes = 1 << (first - 0xc4);
    } else if (first >= 0xd9 && first <= 0xdb) { /* str 8, 16, 32 */
        format.n_length_bytes = 1 << (first - 0xd9);
    } else if (first == 0xdc || first == 0xdd) { /* array 16, 32 */
        format.n_length_bytes = first == 0xdc ? 2 : 4;
        format.is_array = true;
    } else {
        return false; /* nil, bool, float, map, ext, and 0xc1, which is never used */
    }
    *format_out = format;
    return true;
}

struct scan {
    const unsigned char *at, *end;
    int n_items;
    int depth;                         /* open arrays */
    int64_t left[TESS_WIRE_DEPTH_MAX]; /* items still missing of each */
};

static enum tess_wire_scan open_array(struct scan *scan, int64_t count)
{
    if (count > scan->end - scan->at || count > TESS_WIRE_ITEMS_MAX - scan->n_items)
        return TESS_SCAN_TOO_MANY;
    if (scan->depth == TESS_WIRE_DEPTH_MAX)
        return TESS_SCAN_TOO_DEEP;
    scan->left[scan->depth++] = count;
    return TESS_SCAN_OK;
}

static enum tess_wire_scan step(struct scan *scan)
{
    struct format format;
    if (scan->at == scan->end)
        return TESS_SCAN_TRUNCATED;
    if (++scan->n_items > TESS_WIRE_ITEMS_MAX)
        return TESS_SCAN_TOO_MANY;
    if (!describe(*scan->at++, &format))
        return TESS_SCAN_TYPE;
    if (scan->end - scan->at < format.n_length_bytes)
        return TESS_SCAN_TRUNCATED;
    for (int i = 0; i < format.n_length_bytes; i++)
        format.length = format.length << 8 | *scan->at++;
    if (scan->depth > 0)
        scan->left[scan->depth - 1]--;
    if (format.is_array)
        return open_array(scan, format.length);
    if (format.length > scan->end - scan->at)
        return TESS_SCAN_TRUNCATED;
    scan->at += format.length;
    return TESS_SCAN_OK;
}

enum tess_wire_scan tess_wire_scan(const void *bytes, size_t n_bytes)
{
    struct scan scan = {.at = bytes, .end = (const unsigned char *)bytes + n_bytes};
    if (n_bytes > TESS_WIRE_HEADER_MAX_BYTES)
        return TESS_SCAN_TOO_LONG;
    if (n_bytes == 0)
        return TESS_SCAN_TRUNCATED;
    do {
        enum tess_wire_scan result = step(&scan);
        if (result != TESS_SCAN_OK)
            return result;
        while (scan.depth > 0 && scan.left[scan.depth - 1] == 0)
            scan.depth--;
    } while (scan.depth > 0);
    return scan.at == scan.end ? TESS_SCAN_OK : TESS_SCAN_TRAILING;
}
