/* How the tests of the image reader read images. Included by test_image*.c only.
 */
#ifndef TESS_TESTS_CLI_IMAGE_READING_H
#define TESS_TESTS_CLI_IMAGE_READING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/text.h"
#include "cli/image.h"

enum { W = 37, H = 23, SIDE_LIMIT = 64 };

/* Smooth in part and noisy in part, so that every channel and position counts. */
static inline unsigned char sample_at(int x, int y, int c)
{
    unsigned noise = (unsigned)(x * 7919 + y * 104729 + c * 1299709);
    return (unsigned char)(x * 5 + y * 3 + c * 60 + (int)((noise >> 3) % 17));
}

static inline struct tess_image *open_text(const struct tess_text *file)
{
    struct tess_image *image = NULL;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_image_open_memory(tess_text_string(file),
                                                     (int64_t)file->len, &image, &error);
    if (status != TESS_OK)
        fail_msg("cannot open: %s", error.message);
    return image;
}

/* Reads all rows into a new array [height][width][3]. */
static inline unsigned char *read_rows(struct tess_image *image)
{
    const size_t row_bytes = 3 * (size_t)tess_image_width(image);
    unsigned char *pixels = malloc(row_bytes * (size_t)tess_image_height(image));
    assert_non_null(pixels);
    for (int y = 0; y < tess_image_height(image); y++) {
        struct tess_error error;
        tess_error_init(&error);
        if (tess_image_next_row(image, pixels + (size_t)y * row_bytes, &error) != TESS_OK)
            fail_msg("row %d: %s", y, error.message);
    }
    return pixels;
}

static inline unsigned char *read_text(const struct tess_text *file)
{
    struct tess_image *image = open_text(file);
    unsigned char *pixels = read_rows(image);
    tess_image_destroy(image);
    return pixels;
}

/* Opens and reads whatever `file` is; returns the first status that is not OK. */
static inline enum tess_status try_text(const void *bytes, size_t n_bytes,
                                        struct tess_error *error)
{
    static unsigned char row[3 * SIDE_LIMIT * SIDE_LIMIT];
    struct tess_image *image = NULL;
    tess_error_init(error);
    enum tess_status status =
        tess_image_open_memory(bytes, (int64_t)n_bytes, &image, error);
    if (status != TESS_OK) {
        assert_null(image);
        return status;
    }
    /* Damage may change the size; large ones would only take time. */
    if (tess_image_width(image) <= SIDE_LIMIT * SIDE_LIMIT)
        for (int y = 0; status == TESS_OK && y < tess_image_height(image); y++)
            status = tess_image_next_row(image, row, error);
    tess_image_destroy(image);
    return status;
}

static inline int64_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return (int64_t)info.uordblks + (int64_t)info.hblkhd;
}

/* The most that reading holds, seen between rows. */
static inline int64_t measure(const struct tess_text *file, int64_t *bound_out)
{
    static unsigned char row[3 * TESS_IMAGE_MAX_SIDE];
    const int64_t before = heap_bytes();
    struct tess_image *image = open_text(file);
    int64_t peak = heap_bytes() - before;
    *bound_out = tess_image_held_bytes(image);
    for (int y = 0; y < tess_image_height(image); y++) {
        assert_int_equal(tess_image_next_row(image, row, NULL), TESS_OK);
        int64_t now = heap_bytes() - before;
        peak = now > peak ? now : peak;
    }
    tess_image_destroy(image);
    return peak;
}

static inline bool can_measure_heap(void)
{
    void *volatile probe = malloc(1 << 20); /* not optimized away */
    const bool can_measure = heap_bytes() >= 1 << 20;
    free(probe);
    if (!can_measure)
        print_message("skipped: this allocator does not tell its sizes\n");
    return can_measure;
}

/* Asserts that the promised bound holds and is not far off. */
static inline void check_held_bytes(const struct tess_text *file)
{
    int64_t bound = 0;
    const int64_t peak = measure(file, &bound);
    if (getenv("TESS_VERBOSE"))
        print_message("held %lld of %lld\n", (long long)peak, (long long)bound);
    assert_in_range(peak, 1, bound);
    /* What the bound exceeds the truth by is lost to the budget. */
    assert_true(bound <= peak + peak / 4 + 96 * 1024);
}

static inline void rng_init_from_environment(struct tess_rng *rng)
{
    const char *given = getenv("TESS_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 10) : 20261121;
    print_message("seed %llu (set TESS_SEED to repeat)\n", (unsigned long long)seed);
    tess_rng_init(rng, seed);
}

/* Flips single bits, one at a time. */
static inline void check_damage(const struct tess_text *file, struct tess_rng *rng)
{
    for (int round = 0; round < 100; round++) {
        struct tess_error error;
        const int at = tess_rng_int(rng, 0, (int)file->len - 1);
        const char kept = file->data[at];
        file->data[at] = (char)(kept ^ (1 << tess_rng_int(rng, 0, 7)));
        enum tess_status status = try_text(file->data, file->len, &error);
        assert_true(status == TESS_OK || status == TESS_E_IO);
        file->data[at] = kept;
    }
}

#endif
