/* The fields of each kind of message, in their order on the wire: one table that writing,
 * reading and the page of the protocol follow.
 */
#ifndef TESS_TRANSPORT_WIRE_FIELDS_H
#define TESS_TRANSPORT_WIRE_FIELDS_H

#include <stddef.h>

#include "transport/message.h"

enum tess_field_type {
    TESS_FIELD_UINT64, /* any value */
    TESS_FIELD_INT,    /* int in [low, high] */
    TESS_FIELD_INT64,  /* int64_t in [low, high] */
    TESS_FIELD_NAME,   /* char[TESS_WIRE_NAME], printable ASCII, 1 character at least */
    TESS_FIELD_TEXT,   /* char[TESS_WIRE_TEXT], printable ASCII */
    TESS_FIELD_HASH,   /* struct tess_sha256 as binary of 32 bytes */
    TESS_FIELD_PARTS   /* struct tess_parts as array of arrays */
};

struct tess_field {
    enum tess_field_type type;
    size_t offset; /* in struct tess_message */
    int64_t low, high;
};

struct tess_fields {
    int n; /* -1: no such kind */
    const struct tess_field *at;
};

/* Never fails: an unknown kind has n = -1. */
struct tess_fields tess_fields_of(int kind);

/* Bytes of payload that the fields imply; -1 if they are contradictory or may not have so
 * many; the fields are each in their range. TESS_FIELDS_ANY_PAYLOAD where one byte up to
 * *limit_out is right. */
int64_t tess_fields_payload_bytes(const struct tess_message *message, int64_t *limit_out);

enum { TESS_FIELDS_ANY_PAYLOAD = -2 };

#endif
