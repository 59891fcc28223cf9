#include "tests/support/sample_messages.h"

#include <string.h>

static const struct tess_task_key key = {UINT64_C(0xfedcba9876543210), 123456789, 3, 17,
                                         2};

static const struct tess_parts parts = {
    2, {{5, {10, 14}, {0, 13}, {0, 4}, 4}, {6, {0, 2}, {3, 7}, {16, 32}, 1}}};
enum { PARTS_BYTES = 4 * 13 * 4 * 4 + 2 * 4 * 16 };

static const enum tess_message_kind kinds[TESS_SAMPLE_KINDS] = {
    TESS_MESSAGE_HELLO, TESS_MESSAGE_WELCOME, TESS_MESSAGE_PLAN,  TESS_MESSAGE_NEED,
    TESS_MESSAGE_BLOB,  TESS_MESSAGE_READY,   TESS_MESSAGE_BEAT,  TESS_MESSAGE_CANCEL,
    TESS_MESSAGE_DRAIN, TESS_MESSAGE_BYE,     TESS_MESSAGE_ERROR, TESS_MESSAGE_CREDIT,
    TESS_MESSAGE_TASK,  TESS_MESSAGE_RESULT,  TESS_MESSAGE_NACK};

static void fill_control(struct tess_message *message, int64_t *n_bytes)
{
    struct tess_sha256 hash = tess_sha256_of("weights", 7);
    if (message->kind == TESS_MESSAGE_HELLO) {
        message->session = 0;
        message->as.hello = (struct tess_hello){"w1", "tessera 0.1.0", "nat",  77, 99,
                                                4,    400 << 20,       5000000};
    } else if (message->kind == TESS_MESSAGE_WELCOME) {
        message->as.welcome = (struct tess_welcome){key.epoch, 200, 1500, 1 << 20};
    } else if (message->kind == TESS_MESSAGE_PLAN) {
        message->as.plan = (struct tess_plan_message){key.epoch, 2, 50};
        *n_bytes = 2 * TESS_WIRE_BLOB_ENTRY_BYTES + 50;
    } else if (message->kind == TESS_MESSAGE_NEED) {
        message->as.need = (struct tess_need){hash, 1000, 1 << 20};
    } else if (message->kind == TESS_MESSAGE_BLOB) {
        message->as.blob = (struct tess_blob_message){hash, 1000, 3000};
        *n_bytes = 2000;
    } else if (message->kind == TESS_MESSAGE_READY) {
        message->as.ready = (struct tess_ready){key.epoch, 40 << 20};
    } else if (message->kind == TESS_MESSAGE_BEAT) {
        message->as.beat = (struct tess_beat){key.epoch, TESS_WORKER_READY, 2, 5, 4, 9};
    } else if (message->kind == TESS_MESSAGE_CANCEL) {
        message->as.cancel = key;
        message->as.cancel.tile = -1;
    } else if (message->kind == TESS_MESSAGE_BYE) {
        strcpy(message->as.bye.text, "stopped by its user");
    } else if (message->kind == TESS_MESSAGE_ERROR) {
        message->as.error.code = TESS_ERROR_NOMEM;
        strcpy(message->as.error.text, "the plan takes 60 MiB of 48 MiB");
    }
}

struct tess_message tess_sample_message(int index, int64_t *n_bytes_out)
{
    struct tess_message message = {.kind = kinds[index],
                                   .session = UINT64_C(0x8000000000000001)};
    int64_t n_bytes = 0;
    fill_control(&message, &n_bytes);
    if (message.kind == TESS_MESSAGE_CREDIT) {
        message.as.credit = (struct tess_credit){2, 8 << 20, 4 << 20};
    } else if (message.kind == TESS_MESSAGE_TASK) {
        message.as.task = (struct tess_task_message){key, parts};
        n_bytes = PARTS_BYTES;
    } else if (message.kind == TESS_MESSAGE_RESULT) {
        message.as.result = (struct tess_result){key, 81000, parts};
        n_bytes = PARTS_BYTES;
    } else if (message.kind == TESS_MESSAGE_NACK) {
        message.as.nack.key = key;
        message.as.nack.code = TESS_NACK_NOMEM;
        strcpy(message.as.nack.text, "out of memory");
    }
    *n_bytes_out = n_bytes;
    return message;
}

const unsigned char *tess_sample_payload(void)
{
    static unsigned char payload[TESS_SAMPLE_PAYLOAD_BYTES];
    for (int i = 0; i < TESS_SAMPLE_PAYLOAD_BYTES; i++)
        payload[i] = (unsigned char)(i * 37 + i / 256);
    return payload;
}
