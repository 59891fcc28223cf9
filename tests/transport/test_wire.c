#include "transport/wire.h"

#include "base/crc32c.h"
#include "base/file.h"
#include "base/rng.h"
#include "tests/support/sample_messages.h"
#include "tests/transport/transport_testing.h"

struct header {
    unsigned char bytes[TESS_WIRE_HEADER_MAX_BYTES];
    size_t n;
};

static struct header write_sample(int index, struct tess_message *message_out)
{
    struct header header;
    int64_t n_bytes;
    struct tess_message message = tess_sample_message(index, &n_bytes);
    tess_wire_seal(&message, n_bytes ? tess_sample_payload() : NULL, n_bytes);
    header.n = tess_wire_write(&message, header.bytes);
    assert_true(header.n > 0);
    *message_out = message;
    return header;
}

static void fix_crc(struct header *header)
{
    uint32_t crc = tess_crc32c(0, header->bytes, header->n - 5);
    header->bytes[header->n - 5] = 0xce;
    for (int i = 0; i < 4; i++)
        header->bytes[header->n - 4 + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
}

static enum tess_wire_fault read_as(const struct header *header,
                                    const struct tess_message *like,
                                    struct tess_message *out)
{
    return tess_wire_read(header->bytes, header->n, like->payload_bytes,
                          tess_message_channel(like->kind), out, NULL);
}

static void test_each_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message, read;
        struct header again, header = write_sample(i, &message);
        assert_int_equal(read_as(&header, &message, &read), TESS_WIRE_OK);
        assert_int_equal(read.kind, message.kind);
        assert_true(read.session == message.session);
        assert_int_equal(read.payload_crc, message.payload_crc);
        again.n = tess_wire_write(&read, again.bytes);
        assert_int_equal(again.n, header.n);
        assert_memory_equal(again.bytes, header.bytes, header.n);
        assert_int_equal(tess_wire_check_payload(&read, tess_sample_payload()),
                         TESS_WIRE_OK);
    }
}

/* No bit of a header may be flipped unnoticed: a tile would land elsewhere. */
static void test_each_flipped_bit_of_a_header_shows(void **state)
{
    (void)state;
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message, read;
        struct header header = write_sample(i, &message);
        for (size_t bit = 0; bit < 8 * header.n; bit++) {
            header.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_int_not_equal(read_as(&header, &message, &read), TESS_WIRE_OK);
            header.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
}

/* A sentence may be empty, and at the end of a header. */
static void test_empty_texts_are_read_back(void **state)
{
    (void)state;
    struct tess_message read, message = {.kind = TESS_MESSAGE_BYE, .session = 1};
    struct header header;
    header.n = tess_wire_write(&message, header.bytes);
    assert_true(header.n > 0);
    memset(&read, 'x', sizeof read);
    assert_int_equal(read_as(&header, &message, &read), TESS_WIRE_OK);
    assert_string_equal(read.as.bye.text, "");
}

/* The fuzzer begins with messages of this protocol, or it sees little of what lies behind the
 * version. With TESS_TEST_UPDATE set, writes them. */
static void test_seeds_of_the_fuzzer_are_the_samples(void **state)
{
    (void)state;
    enum { RIGHT_CRC = 2, DATA = 1 };
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message;
        struct header header = write_sample(i, &message);
        struct tess_text wanted, seed;
        char path[64];
        bool is_data = tess_message_channel(message.kind) == TESS_CHANNEL_DATA;
        tess_text_init(&wanted);
        tess_text_init(&seed);
        tess_text_printf(&wanted, "%c", RIGHT_CRC | (is_data ? DATA : 0));
        for (int shift = 0; shift < 32; shift += 8)
            tess_text_append(&wanted, (char[]){(char)(message.payload_bytes >> shift)},
                             1);
        tess_text_append(&wanted, (const char *)header.bytes, header.n);
        snprintf(path, sizeof path, "tests/fuzz/corpus/wire/sample-%02d",
                 (int)message.kind);
        if (getenv("TESS_TEST_UPDATE"))
            assert_int_equal(tess_file_write(path, wanted.data, wanted.len, NULL),
                             TESS_OK);
        assert_int_equal(tess_file_read(path, sizeof header, &seed, NULL), TESS_OK);
        assert_int_equal(seed.len, wanted.len);
        assert_memory_equal(seed.data, wanted.data, wanted.len);
        tess_text_release(&seed);
        tess_text_release(&wanted);
    }
}

static void test_flipped_bit_of_a_payload_shows(void **state)
{
    (void)state;
    struct tess_message message;
    unsigned char payload[TESS_SAMPLE_PAYLOAD_BYTES];
    write_sample(13, &message);
    memcpy(payload, tess_sample_payload(), sizeof payload);
    payload[message.payload_bytes - 1] ^= 1;
    assert_int_equal(tess_wire_check_payload(&message, payload), TESS_WIRE_PAYLOAD_CRC);
}

static void test_each_truncation_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message, read;
        struct header header = write_sample(i, &message);
        for (size_t n = header.n; n > 0;) {
            struct header shorter = header;
            shorter.n = --n;
            assert_int_not_equal(read_as(&shorter, &message, &read), TESS_WIRE_OK);
        }
    }
}

static void test_other_version_is_told_from_damage(void **state)
{
    (void)state;
    struct tess_message message, read;
    struct tess_wire_report report;
    struct header header = write_sample(0, &message);
    header.bytes[1] = TESS_WIRE_PROTOCOL + 1;
    fix_crc(&header);
    assert_int_equal(
        tess_wire_read(header.bytes, header.n, 0, TESS_CHANNEL_CONTROL, &read, &report),
        TESS_WIRE_VERSION);
    assert_int_equal(report.protocol, TESS_WIRE_PROTOCOL + 1);
}

static void test_message_on_the_wrong_channel_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message, read;
        struct header header = write_sample(i, &message);
        enum tess_channel other = tess_message_channel(message.kind) == TESS_CHANNEL_DATA
                                      ? TESS_CHANNEL_CONTROL
                                      : TESS_CHANNEL_DATA;
        assert_int_equal(tess_wire_read(header.bytes, header.n, message.payload_bytes,
                                        other, &read, NULL),
                         TESS_WIRE_KIND);
    }
}

static void test_payload_of_another_size_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message, read;
        struct header header = write_sample(i, &message);
        assert_int_equal(tess_wire_read(header.bytes, header.n, message.payload_bytes + 1,
                                        tess_message_channel(message.kind), &read, NULL),
                         TESS_WIRE_SIZE);
    }
}

/* Sizes that agree with each other but not with the parts. */
static void test_size_that_the_parts_do_not_have_is_never_written(void **state)
{
    (void)state;
    unsigned char bytes[TESS_WIRE_HEADER_MAX_BYTES];
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message;
        write_sample(i, &message);
        message.payload_bytes += TESS_WIRE_PIECE_BYTES;
        assert_int_equal(tess_wire_write(&message, bytes), 0);
    }
}

static void test_values_out_of_range_are_never_written(void **state)
{
    (void)state;
    unsigned char bytes[TESS_WIRE_HEADER_MAX_BYTES];
    struct tess_message message;
    write_sample(0, &message);
    strcpy(message.as.hello.name, "w\x1b[2J");
    assert_int_equal(tess_wire_write(&message, bytes), 0);
    message.as.hello.name[0] = '\0';
    assert_int_equal(tess_wire_write(&message, bytes), 0);
    memset(message.as.hello.name, 'w', sizeof message.as.hello.name);
    assert_int_equal(tess_wire_write(&message, bytes), 0);
    write_sample(14, &message);
    message.as.nack.code = 0;
    assert_int_equal(tess_wire_write(&message, bytes), 0);
    write_sample(12, &message);
    message.as.task.key.frame = -1;
    assert_int_equal(tess_wire_write(&message, bytes), 0);
    message.kind = (enum tess_message_kind)12;
    assert_int_equal(tess_wire_write(&message, bytes), 0);
}

/* Every byte of every header set to every value, the checksum made right again: whatever
 * is accepted must be writable, so within all ranges. */
static void test_forged_headers_are_refused_or_harmless(void **state)
{
    (void)state;
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        struct tess_message message, read;
        struct header original = write_sample(i, &message);
        for (size_t at = 0; at + 5 < original.n; at++)
            for (int value = 0; value < 256; value++) {
                struct header header = original;
                unsigned char again[TESS_WIRE_HEADER_MAX_BYTES];
                header.bytes[at] = (unsigned char)value;
                fix_crc(&header);
                if (read_as(&header, &message, &read) == TESS_WIRE_OK)
                    assert_true(tess_wire_write(&read, again) > 0);
            }
    }
}

static void test_text_with_control_characters_is_refused(void **state)
{
    (void)state;
    struct tess_message message, read;
    struct header header = write_sample(9, &message);
    unsigned char *at = memchr(header.bytes, 's', header.n);
    assert_non_null(at);
    *at = 0x1b;
    fix_crc(&header);
    assert_int_equal(read_as(&header, &message, &read), TESS_WIRE_FIELD);
}

static void test_largest_messages_fit_the_header(void **state)
{
    (void)state;
    unsigned char bytes[TESS_WIRE_HEADER_MAX_BYTES];
    struct tess_message message = {.kind = TESS_MESSAGE_RESULT, .session = UINT64_MAX};
    message.as.result.key =
        (struct tess_task_key){UINT64_MAX, INT64_MAX, 65535, 65535, 65535};
    message.as.result.compute_us = INT64_MAX;
    message.as.result.parts.n = TESS_PARTS_MAX;
    for (int i = 0; i < TESS_PARTS_MAX; i++)
        message.as.result.parts.at[i] = (struct tess_part){
            TESS_PART_TENSORS_MAX - 1, {65534, 65536}, {65534, 65536}, {65534, 65536}, 4};
    message.payload_bytes = tess_parts_bytes(&message.as.result.parts);
    message.payload_crc = UINT32_MAX;
    assert_in_range(tess_wire_write(&message, bytes), 1, TESS_WIRE_HEADER_MAX_BYTES);
    message = (struct tess_message){.kind = TESS_MESSAGE_NACK, .session = UINT64_MAX};
    message.as.nack.code = TESS_NACK_FAILED;
    memset(message.as.nack.text, 'x', TESS_WIRE_TEXT - 1);
    assert_in_range(tess_wire_write(&message, bytes), 1, TESS_WIRE_HEADER_MAX_BYTES);
}

static void test_random_headers_are_refused(void **state)
{
    (void)state;
    struct tess_rng rng;
    struct tess_message read;
    tess_rng_init(&rng, 17);
    for (int i = 0; i < 100000; i++) {
        struct header header = {.n = (size_t)tess_rng_int(&rng, 6, 40)};
        for (size_t k = 0; k < header.n; k++)
            header.bytes[k] = (unsigned char)tess_rng_next(&rng);
        assert_int_not_equal(
            tess_wire_read(header.bytes, header.n, 0, TESS_CHANNEL_CONTROL, &read, NULL),
            TESS_WIRE_OK);
    }
}

static void test_entries_of_a_plan_are_read_back(void **state)
{
    (void)state;
    unsigned char at[TESS_WIRE_BLOB_ENTRY_BYTES];
    struct tess_blob_entry read;
    struct tess_blob_entry entry = {tess_sha256_of("a", 1), INT64_C(0x0123456789abcdef)};
    tess_wire_put_blob_entry(&entry, at);
    assert_true(tess_wire_get_blob_entry(at, &read));
    assert_true(tess_sha256_is_equal(&entry.hash, &read.hash));
    assert_int_equal(read.n_bytes, entry.n_bytes);
    at[TESS_SHA256_BYTES + 7] = 0x80;
    assert_false(tess_wire_get_blob_entry(at, &read));
    memset(at, 0, sizeof at);
    assert_false(tess_wire_get_blob_entry(at, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_is_read_as_it_was_written),
        cmocka_unit_test(test_each_flipped_bit_of_a_header_shows),
        cmocka_unit_test(test_empty_texts_are_read_back),
        cmocka_unit_test(test_seeds_of_the_fuzzer_are_the_samples),
        cmocka_unit_test(test_flipped_bit_of_a_payload_shows),
        cmocka_unit_test(test_each_truncation_is_refused),
        cmocka_unit_test(test_other_version_is_told_from_damage),
        cmocka_unit_test(test_message_on_the_wrong_channel_is_refused),
        cmocka_unit_test(test_payload_of_another_size_is_refused),
        cmocka_unit_test(test_size_that_the_parts_do_not_have_is_never_written),
        cmocka_unit_test(test_values_out_of_range_are_never_written),
        cmocka_unit_test(test_forged_headers_are_refused_or_harmless),
        cmocka_unit_test(test_text_with_control_characters_is_refused),
        cmocka_unit_test(test_largest_messages_fit_the_header),
        cmocka_unit_test(test_random_headers_are_refused),
        cmocka_unit_test(test_entries_of_a_plan_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
