/* Any bytes as a header: refused with a reason, or a message that is within all ranges and can
 * be written and read again as the same.
 *
 * Input: one byte of switches (1: the data channel, 2: make the checksum right), four bytes of
 * payload size, the header. */
#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "tests/fuzz/fuzz_target.h"
#include "transport/wire.h"

enum { N_SWITCH_BYTES = 5, CRC_BYTES = 5 };

static void fix_crc(unsigned char *header, size_t n_bytes)
{
    uint32_t crc = tess_crc32c(0, header, n_bytes - CRC_BYTES);
    header[n_bytes - CRC_BYTES] = 0xce;
    for (int i = 0; i < 4; i++)
        header[n_bytes - 4 + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
}

static void write_and_read(const struct tess_message *message)
{
    unsigned char once[TESS_WIRE_HEADER_MAX_BYTES], twice[TESS_WIRE_HEADER_MAX_BYTES];
    struct tess_message read;
    size_t n_bytes = tess_wire_write(message, once);
    assert(n_bytes > 0);
    enum tess_wire_fault fault =
        tess_wire_read(once, n_bytes, message->payload_bytes,
                       tess_message_channel(message->kind), &read, NULL);
    assert(fault == TESS_WIRE_OK);
    (void)fault;
    size_t n_again = tess_wire_write(&read, twice);
    assert(n_again == n_bytes && memcmp(once, twice, n_bytes) == 0);
    (void)n_again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char header[2 * TESS_WIRE_HEADER_MAX_BYTES];
    struct tess_message message;
    struct tess_wire_report report;
    if (size < N_SWITCH_BYTES || size - N_SWITCH_BYTES > sizeof header)
        return 0;
    size_t n_bytes = size - N_SWITCH_BYTES;
    memcpy(header, data + N_SWITCH_BYTES, n_bytes);
    int64_t payload_bytes = 0;
    for (int i = 4; i > 0; i--)
        payload_bytes = payload_bytes << 8 | data[i];
    if ((data[0] & 2) && n_bytes > CRC_BYTES)
        fix_crc(header, n_bytes);
    enum tess_channel channel = (data[0] & 1) ? TESS_CHANNEL_DATA : TESS_CHANNEL_CONTROL;
    enum tess_wire_fault fault =
        tess_wire_read(header, n_bytes, payload_bytes, channel, &message, &report);
    assert(tess_wire_fault_text(fault)[0]);
    assert((report.scan == TESS_SCAN_OK) || fault == TESS_WIRE_SCAN);
    if (fault == TESS_WIRE_OK) {
        assert(message.payload_bytes == payload_bytes);
        assert(tess_message_channel(message.kind) == channel);
        write_and_read(&message);
    }
    return 0;
}
