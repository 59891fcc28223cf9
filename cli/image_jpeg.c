#include "cli/image_priv.h"

#include <assert.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "base/arith.h"

enum {
    /* TUNING: libjpeg's state besides sample and coefficient buffers: our own struct with
     * the read buffer, pools, Huffman and colour tables. Measured 33 KiB at most over the
     * variants in test_image_jpeg.c with libjpeg-turbo 2.1.5, 2026-11; doubled. */
    FIXED_BYTES = 64 * 1024,
    /* A few bytes of header can ask for thousands of passes over a large image; encoders
     * use ten or so. */
    MAX_SCANS = 100,
    CMYK_BYTES = 4
};

struct jpeg_decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    FILE *file;
    jmp_buf escape; /* where errors inside libjpeg land */
    char words[JMSG_LENGTH_MAX];
    bool has_no_memory;
    bool is_started;
    unsigned char *cmyk_row; /* NULL unless the image is CMYK */
    unsigned char *rgb_row;  /* the caller's, while a row is being read */
    JOCTET input[TESS_IMAGE_READ_BYTES];
};

/* A step that runs between libjpeg and the caller. libjpeg reports errors by not
 * returning, so a step must own nothing. */
typedef void jpeg_step(struct jpeg_decoder *decoder);

static bool run_step(struct jpeg_decoder *decoder, jpeg_step *step)
{
    if (setjmp(decoder->escape))
        return false;
    step(decoder);
    return true;
}

static void on_error(j_common_ptr jpeg)
{
    struct jpeg_decoder *decoder = jpeg->client_data;
    (*jpeg->err->format_message)(jpeg, decoder->words);
    decoder->has_no_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY ||
                             jpeg->err->msg_code == JERR_NO_BACKING_STORE;
    longjmp(decoder->escape, 1);
}

/* libjpeg warns about damage and goes on with invented pixels. A detector must not look
 * at those. Only warnings that leave the pixels as the camera meant them may pass. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL: break;
    default: on_error(jpeg);
    }
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg; /* libraries never print */
}

static void on_progress(j_common_ptr common)
{
    struct jpeg_decoder *decoder = common->client_data;
    if (decoder->jpeg.input_scan_number > MAX_SCANS) {
        snprintf(decoder->words, sizeof decoder->words, "it has more than %d scans",
                 (int)MAX_SCANS);
        longjmp(decoder->escape, 1);
    }
}

static void on_source(j_decompress_ptr jpeg)
{
    (void)jpeg; /* nothing to prepare, nothing to close */
}

/* The end of the file before the end of the image. libjpeg's own sources pretend an end
 * marker here and go on with grey. */
static boolean on_fill(j_decompress_ptr jpeg)
{
    struct jpeg_decoder *decoder = jpeg->client_data;
    size_t n_read = fread(decoder->input, 1, sizeof decoder->input, decoder->file);
    if (n_read == 0)
        ERREXIT(jpeg, JERR_INPUT_EOF);
    decoder->source.next_input_byte = decoder->input;
    decoder->source.bytes_in_buffer = n_read;
    return TRUE;
}

/* Skipping reads, because a pipe cannot seek. */
static void on_skip(j_decompress_ptr jpeg, long n_bytes)
{
    struct jpeg_source_mgr *source = jpeg->src;
    size_t n_left = n_bytes > 0 ? (size_t)n_bytes : 0;
    while (n_left > source->bytes_in_buffer) {
        n_left -= source->bytes_in_buffer;
        on_fill(jpeg);
    }
    source->next_input_byte += n_left;
    source->bytes_in_buffer -= n_left;
}

/* jpeg_std_error fills in what prints and exits; everything of that kind is replaced. */
static void set_callbacks(struct jpeg_decoder *decoder)
{
    decoder->jpeg.err = jpeg_std_error(&decoder->errors);
    decoder->jpeg.client_data = decoder;
    decoder->errors.error_exit = on_error;
    decoder->errors.emit_message = on_message;
    decoder->errors.output_message = on_output;
    decoder->progress.progress_monitor = on_progress;
    decoder->source.init_source = on_source;
    decoder->source.fill_input_buffer = on_fill;
    decoder->source.skip_input_data = on_skip;
    decoder->source.resync_to_restart = jpeg_resync_to_restart;
    decoder->source.term_source = on_source;
}

static void read_header(struct jpeg_decoder *decoder)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    jpeg_create_decompress(jpeg); /* clears everything but err and client_data */
    jpeg->src = &decoder->source;
    jpeg->progress = &decoder->progress;
    jpeg_read_header(jpeg, TRUE);
}

/* What libjpeg allocates between here and the last row; see jdmainct.c, jdsample.c and
 * jdcoefct.c there. The file chooses the sampling factors, so each component counts for
 * itself. */
static int64_t held_bytes(struct jpeg_decompress_struct *jpeg)
{
    const int64_t n_row_groups = DCTSIZE + 2; /* a row of blocks and its context */
    const int64_t unit = (int64_t)jpeg->max_h_samp_factor * DCTSIZE;
    const int64_t padded_width = tess_round_up(jpeg->image_width, unit);
    const bool has_coefficients = jpeg_has_multiple_scans(jpeg);
    int64_t n_bytes = FIXED_BYTES + CMYK_BYTES * (int64_t)jpeg->image_width;
    for (int i = 0; i < jpeg->num_components; i++) {
        const jpeg_component_info *part = &jpeg->comp_info[i];
        int64_t blocks_w = tess_round_up(part->width_in_blocks, part->h_samp_factor);
        int64_t blocks_h = tess_round_up(part->height_in_blocks, part->v_samp_factor);
        n_bytes += n_row_groups * part->v_samp_factor * (blocks_w * DCTSIZE + 64);
        n_bytes += jpeg->max_v_samp_factor * (padded_width + 64); /* after upsampling */
        if (has_coefficients)
            n_bytes += blocks_h * (blocks_w * (int64_t)sizeof(JBLOCK) + 64);
    }
    return n_bytes;
}

static enum tess_status fail(const struct tess_image *image, struct tess_error *error)
{
    const struct jpeg_decoder *decoder = image->decoder;
    if (decoder->has_no_memory)
        return tess_error_nomem(error);
    return tess_image_fail(image, decoder->words, error);
}

static enum tess_status jpeg_open(struct tess_image *image, struct tess_error *error)
{
    struct jpeg_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return tess_error_nomem(error);
    image->decoder = decoder;
    decoder->file = image->file;
    set_callbacks(decoder);
    memcpy(decoder->input, image->magic, sizeof image->magic);
    decoder->source.next_input_byte = decoder->input;
    decoder->source.bytes_in_buffer = sizeof image->magic;
    if (!run_step(decoder, read_header))
        return fail(image, error);

    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    enum tess_status status =
        tess_image_set_size(image, jpeg->image_width, jpeg->image_height, error);
    if (status != TESS_OK)
        return status;
    /* Two components, for instance: nobody knows what they mean. */
    if (jpeg->jpeg_color_space == JCS_UNKNOWN)
        return tess_image_fail(image, "its colours are neither grey, RGB, YCbCr nor CMYK",
                               error);
    image->held_bytes = held_bytes(jpeg);
    /* Makes libjpeg refuse coefficient arrays that the bound does not cover. */
    jpeg->mem->max_memory_to_use = (long)image->held_bytes;
    if (jpeg->num_components == CMYK_BYTES) {
        jpeg->out_color_space = JCS_CMYK;
        decoder->cmyk_row = malloc((size_t)image->width * CMYK_BYTES);
        if (!decoder->cmyk_row)
            return tess_error_nomem(error);
    } else {
        jpeg->out_color_space = JCS_RGB;
    }
    return TESS_OK;
}

/* Starting is part of the first row because a progressive image decodes here: not before
 * the caller has seen tess_image_held_bytes() and agreed. */
static void read_row(struct jpeg_decoder *decoder)
{
    JSAMPROW row = decoder->cmyk_row ? decoder->cmyk_row : decoder->rgb_row;
    if (!decoder->is_started) {
        decoder->is_started = true;
        jpeg_start_decompress(&decoder->jpeg);
    }
    JDIMENSION n_rows = jpeg_read_scanlines(&decoder->jpeg, &row, 1);
    assert(n_rows == 1); /* our source never suspends */
    (void)n_rows;
}

/* Ink multiplied by black gives light. Adobe's programs, where CMYK files come from,
 * store both inverted. */
static void cmyk_to_rgb(const unsigned char *cmyk, int n_pixels, bool is_inverted,
                        unsigned char *rgb)
{
    for (int x = 0; x < n_pixels; x++) {
        int light = is_inverted ? cmyk[4 * x + 3] : 255 - cmyk[4 * x + 3];
        for (int c = 0; c < 3; c++) {
            int ink = is_inverted ? cmyk[4 * x + c] : 255 - cmyk[4 * x + c];
            rgb[3 * x + c] = (unsigned char)((ink * light + 127) / 255);
        }
    }
}

static enum tess_status jpeg_next_row(struct tess_image *image, unsigned char *rgb_row,
                                      struct tess_error *error)
{
    struct jpeg_decoder *decoder = image->decoder;
    decoder->rgb_row = rgb_row;
    if (!run_step(decoder, read_row))
        return fail(image, error);
    if (decoder->cmyk_row)
        cmyk_to_rgb(decoder->cmyk_row, image->width, decoder->jpeg.saw_Adobe_marker != 0,
                    rgb_row);
    return TESS_OK;
}

static void jpeg_close(struct tess_image *image)
{
    struct jpeg_decoder *decoder = image->decoder;
    if (!decoder)
        return;
    jpeg_destroy_decompress(
        &decoder->jpeg); /* works in every state, the zeroed one too */
    free(decoder->cmyk_row);
    free(decoder);
}

static const unsigned char jpeg_magic[] = {0xff, 0xd8, 0xff};

const struct tess_image_format tess_image_jpeg = {
    .name = "JPEG",
    .magic = jpeg_magic,
    .n_magic_bytes = sizeof jpeg_magic,
    .open = jpeg_open,
    .next_row = jpeg_next_row,
    .close = jpeg_close,
};
