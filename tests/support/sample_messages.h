/* One valid message of each kind, and bytes for its payload: for tests of whatever reads
 * messages.
 */
#ifndef TESS_TESTS_SUPPORT_SAMPLE_MESSAGES_H
#define TESS_TESTS_SUPPORT_SAMPLE_MESSAGES_H

#include "transport/message.h"

enum { TESS_SAMPLE_KINDS = 15, TESS_SAMPLE_PAYLOAD_BYTES = 4096 };

/* Sample number `index` of TESS_SAMPLE_KINDS, not sealed. Its payload is the first
 * *n_bytes_out bytes of tess_sample_payload. */
struct tess_message tess_sample_message(int index, int64_t *n_bytes_out);
const unsigned char *tess_sample_payload(void);

#endif
