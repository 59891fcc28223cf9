/* Any bytes as an image: an error that says why, or every row, within the promised
 * memory. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/letterbox.h"
#include "tests/fuzz/fuzz_target.h"

enum {
    NET_SIDE = 8,
    MAX_PIXELS = 1 << 16, /* larger images take time and find nothing else */
    MAX_HELD_BYTES = 8 << 20
};

/* Bytes on the heap; absent where no AddressSanitizer is linked. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static int64_t heap_bytes(void)
{
    if (!__sanitizer_get_current_allocated_bytes)
        return 0;
    return (int64_t)__sanitizer_get_current_allocated_bytes();
}

/* Fits the image as the program does; the error must explain a failure. */
static void read_fitted(struct tess_image *image)
{
    float net[NET_SIDE * NET_SIDE * 3];
    struct tess_letterbox box;
    struct tess_rgb_plane plane;
    struct tess_error error;
    tess_error_init(&error);
    tess_letterbox_init(&box, TESS_FIT_LETTERBOX, tess_image_width(image),
                        tess_image_height(image), NET_SIDE, NET_SIDE);
    tess_rgb_plane_init(&plane, &box, net);
    void *scratch = malloc((size_t)tess_letterbox_bytes_needed(&box));
    assert(scratch);
    enum tess_status status = tess_letterbox_run(&box, image, scratch, &plane, &error);
    assert(status == TESS_OK || (status == TESS_E_IO && error.message[0]));
    for (int i = 0; status == TESS_OK && i < NET_SIDE * NET_SIDE * 3; i++)
        assert(net[i] >= 0 && net[i] <= 1.0001f);
    free(scratch);
}

static uint32_t read_be(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* CRC-32 as the PNG standard defines it. */
static uint32_t crc_of(const uint8_t *bytes, size_t n_bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n_bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
    }
    return ~crc;
}

/* Makes the checksums of a PNG's chunks right, so that mutations reach what lies behind.
 */
static void repair_png(uint8_t *file, size_t size)
{
    enum { MAGIC = 8, AROUND = 12 }; /* length, type and checksum of a chunk */
    size_t at = MAGIC;
    while (at < size && size - at >= AROUND && read_be(file + at) <= size - at - AROUND) {
        const size_t n_bytes = read_be(file + at);
        const uint32_t crc = crc_of(file + at + 4, n_bytes + 4);
        uint8_t *end = file + at + 8 + n_bytes;
        for (int i = 0; i < 4; i++)
            end[i] = (uint8_t)(crc >> (24 - 8 * i));
        at += n_bytes + AROUND;
    }
}

static void try_image(const uint8_t *data, size_t size)
{
    struct tess_image *image = NULL;
    struct tess_error error;
    const int64_t heap_before = heap_bytes();
    tess_error_init(&error);
    enum tess_status status = tess_image_open_memory(data, (int64_t)size, &image, &error);
    if (status != TESS_OK) {
        assert(!image && error.status == status);
        assert(error.message[0] && !strchr(error.message, '\n'));
        return;
    }
    const int64_t n_pixels = (int64_t)tess_image_width(image) * tess_image_height(image);
    assert(tess_image_held_bytes(image) >= 3 * (int64_t)tess_image_width(image));
    if (n_pixels <= MAX_PIXELS && tess_image_held_bytes(image) <= MAX_HELD_BYTES)
        read_fitted(image);
    assert(heap_bytes() - heap_before <= tess_image_held_bytes(image));
    tess_image_destroy(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_image(data, size);
    uint8_t *repaired = malloc(size ? size : 1);
    assert(repaired);
    memcpy(repaired, data, size);
    if (size > 0 && data[0] == 0x89) {
        repair_png(repaired, size);
        try_image(repaired, size);
    }
    free(repaired);
    return 0;
}
