#include "cli/draw.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arith.h"
#include "cli/font.h"

enum {
    /* TUNING: by eye on photographs of 0.3 to 12 megapixels, 2026-11: pixels of the
     * shorter side for each pixel of line width, and for each step of letter size. */
    PIXELS_PER_LINE = 220,
    PIXELS_PER_LETTER_STEP = 280,
    LABEL_ROWS = TESS_FONT_ROWS + 2, /* unscaled; capitals are centred in it */
    LABEL_TEXT_TOP = 2,
    LABEL_MARGIN = 3, /* unscaled columns left and right of the text */
    LABEL_BYTES = 96, /* longer names are cut */
    OPAQUE = 256,
    CASING_OPACITY =
        140, /* of the dark seam that parts a line from a photo of its colour */
    LABEL_PLACES = 6
};

struct colour {
    int r, g, b;
};

static const struct colour black = {0, 0, 0};
static const struct colour white = {255, 255, 255};

/* Half-open, in pixels; may reach beyond the canvas. */
struct rectangle {
    int left, top, right, bottom;
};

struct label {
    struct rectangle place;
    char text[LABEL_BYTES];
};

/* Sizes that follow from the canvas. */
struct style {
    int line;   /* pixels */
    int letter; /* factor on the font */
};

static struct style style_for(const struct tess_canvas *canvas)
{
    int side = tess_min_int(canvas->width, canvas->height);
    struct style style = {
        .line = tess_max_int(1, (side + PIXELS_PER_LINE / 2) / PIXELS_PER_LINE),
        .letter =
            tess_max_int(1, (side + PIXELS_PER_LETTER_STEP / 2) / PIXELS_PER_LETTER_STEP),
    };
    return style;
}

/* A colour whose hue walks by the golden section of the circle, so that neighbouring
 * classes differ. Eight or thirteen steps nearly close the circle: every eight classes
 * the colours become darker or brighter, which parts such pairs. */
static struct colour class_colour(int class_id)
{
    enum { SEGMENT = 256, CIRCLE = 6 * SEGMENT, STEP = 587, START = 1010 };
    const bool is_dark = class_id / 8 % 2 == 1;
    const int low = is_dark ? 0 : 56, high = is_dark ? 205 : 255;
    const int hue = (int)(((int64_t)class_id * STEP + START) % CIRCLE);
    const int rise = low + hue % SEGMENT * (high - low) / SEGMENT;
    const int fall = high + low - rise;
    switch (hue / SEGMENT) {
    case 0: return (struct colour){high, rise, low};
    case 1: return (struct colour){fall, high, low};
    case 2: return (struct colour){low, high, rise};
    case 3: return (struct colour){low, fall, high};
    case 4: return (struct colour){rise, low, high};
    default: return (struct colour){high, low, fall};
    }
}

/* Black or white, whichever reads better on `ground`. */
static struct colour text_colour(struct colour ground)
{
    /* TUNING: ITU-R BT.601 luma; the limit by eye on the colours above, 2026-11. */
    int luma = (299 * ground.r + 587 * ground.g + 114 * ground.b) / 1000;
    return luma > 118 ? black : white;
}

static unsigned char blend(unsigned char below, int above, int opacity)
{
    assert(opacity >= 0 && opacity <= OPAQUE);
    return (unsigned char)((below * (OPAQUE - opacity) + above * opacity) / OPAQUE);
}

/* Blends `colour` over an area, clipped to the canvas. */
static void fill(struct tess_canvas *canvas, struct rectangle area, struct colour colour,
                 int opacity)
{
    const int left = tess_max_int(0, area.left);
    const int right = tess_min_int(canvas->width, area.right);
    const int bottom = tess_min_int(canvas->height, area.bottom);
    for (int y = tess_max_int(0, area.top); y < bottom; y++) {
        unsigned char *pixel =
            canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)left) * 3;
        for (int x = left; x < right; x++, pixel += 3) {
            pixel[0] = blend(pixel[0], colour.r, opacity);
            pixel[1] = blend(pixel[1], colour.g, opacity);
            pixel[2] = blend(pixel[2], colour.b, opacity);
        }
    }
}

/* A frame of `width` pixels just inside `area`; no pixel is blended twice. */
static void frame(struct tess_canvas *canvas, struct rectangle area, int width,
                  struct colour colour, int opacity)
{
    const int inner_top = tess_min_int(area.top + width, area.bottom);
    const int inner_bottom = tess_max_int(area.bottom - width, inner_top);
    const int inner_left = tess_min_int(area.left + width, area.right);
    const int inner_right = tess_max_int(area.right - width, inner_left);
    const struct rectangle sides[] = {
        {area.left, area.top, area.right, inner_top},
        {area.left, inner_bottom, area.right, area.bottom},
        {area.left, inner_top, inner_left, inner_bottom},
        {inner_right, inner_top, area.right, inner_bottom},
    };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        fill(canvas, sides[i], colour, opacity);
}

static struct rectangle grown(struct rectangle area, int margin)
{
    return (struct rectangle){area.left - margin, area.top - margin, area.right + margin,
                              area.bottom + margin};
}

static bool is_overlapping(const struct rectangle *a, const struct rectangle *b)
{
    return a->left < b->right && b->left < a->right && a->top < b->bottom &&
           b->top < a->bottom;
}

/* The pixels of a detection, cut at the canvas, at least one each way. */
static struct rectangle box_of(const struct tess_canvas *canvas,
                               const struct tess_detection *detection)
{
    const float max_x = (float)(canvas->width - 1), max_y = (float)(canvas->height - 1);
    struct rectangle box = {
        .left = (int)fminf(fmaxf(roundf(detection->x), 0), max_x),
        .top = (int)fminf(fmaxf(roundf(detection->y), 0), max_y),
    };
    const float right = fminf(roundf(detection->x + detection->w), max_x + 1);
    const float bottom = fminf(roundf(detection->y + detection->h), max_y + 1);
    box.right = tess_max_int(box.left + 1, (int)fmaxf(right, 0));
    box.bottom = tess_max_int(box.top + 1, (int)fmaxf(bottom, 0));
    return box;
}

static void draw_box(struct tess_canvas *canvas, struct rectangle box,
                     const struct style *style, struct colour colour)
{
    /* A face of ten pixels must not vanish under its frame. */
    const int side = tess_min_int(box.right - box.left, box.bottom - box.top);
    const int line = tess_max_int(1, tess_min_int(style->line, side / 8));
    const int seam = tess_max_int(1, line / 3);
    frame(canvas, grown(box, seam), seam, black, CASING_OPACITY);
    frame(canvas, grown(box, -line), seam, black, CASING_OPACITY);
    frame(canvas, box, line, colour, OPAQUE);
}

static int text_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += tess_font_advance((unsigned char)*text);
    return width > 0 ? width - 1 : 0; /* no space after the last letter */
}

/* A dot of the font becomes a square; letters beyond the canvas are clipped by fill(). */
static void draw_text(struct tess_canvas *canvas, const char *text, int x, int y,
                      int letter, struct colour colour)
{
    for (; *text; x += letter * tess_font_advance((unsigned char)*text), text++) {
        const unsigned char *rows = tess_font_glyph((unsigned char)*text);
        for (int i = 0; i < TESS_FONT_ROWS * 8; i++) {
            const int row = i / 8, col = i % 8;
            if (!(rows[row] & (0x80 >> col)))
                continue;
            const struct rectangle dot = {x + col * letter, y + row * letter,
                                          x + (col + 1) * letter, y + (row + 1) * letter};
            fill(canvas, dot, colour, OPAQUE);
        }
    }
}

/* "dog 82%" in the font's characters: one '?' for each UTF-8 character it lacks. */
static void compose_text(const struct tess_detection *detection,
                         const struct tess_names *names, char *text)
{
    char buffer[TESS_NAMES_BUFFER_BYTES];
    const char *name = tess_names_get(names, detection->class_id, buffer, sizeof buffer);
    const int percent = (int)lroundf(fminf(fmaxf(detection->score, 0), 1) * 100);
    enum { TAIL_BYTES = 8 }; /* " 100%" and the NUL fit */
    size_t len = 0;
    for (; *name && len + TAIL_BYTES < LABEL_BYTES; name++) {
        const unsigned char byte = (unsigned char)*name;
        if ((byte & 0xc0) == 0x80)
            continue;
        const bool has_glyph = byte >= TESS_FONT_FIRST && byte <= TESS_FONT_LAST;
        text[len++] = has_glyph ? (char)byte : '?';
    }
    snprintf(text + len, LABEL_BYTES - len, " %d%%", percent);
}

/* Quadratic in the labels, of which a picture that people look at has few. */
static bool is_free(struct rectangle place, const struct label *taken, int n_taken)
{
    for (int i = 0; i < n_taken; i++)
        if (is_overlapping(&place, &taken[i].place))
            return false;
    return true;
}

/* Finds a place for the next label: above the box, else inside at its top, below, inside
 * at its bottom; at its left edge or, for the first two, its right one. */
static void place_label(const struct tess_canvas *canvas, struct rectangle box,
                        const struct style *style, struct label *labels, int n_placed)
{
    struct label *label = &labels[n_placed];
    const int width = style->letter * (text_width(label->text) + 2 * LABEL_MARGIN);
    const int height = style->letter * LABEL_ROWS;
    const int max_left = tess_max_int(0, canvas->width - width);
    const int left = tess_min_int(box.left, max_left);
    const int right = tess_min_int(tess_max_int(0, box.right - width), max_left);
    const int above = box.top - height, below = box.bottom;
    const int places[LABEL_PLACES][2] = {
        {left, above},  {left, box.top},  {left, below}, {left, box.bottom - height},
        {right, above}, {right, box.top},
    };
    /* Where all are taken, the first that lies inside serves; the better label covers it.
     */
    struct rectangle first = {0, 0, 0, 0};
    for (int i = 0; i < LABEL_PLACES; i++) {
        const int x = places[i][0], y = places[i][1];
        const struct rectangle place = {x, y, x + width, y + height};
        if (y < 0 || place.bottom > canvas->height)
            continue;
        if (first.right == 0)
            first = place;
        if (is_free(place, labels, n_placed)) {
            label->place = place;
            return;
        }
    }
    if (first.right == 0) /* the canvas is lower than a label */
        first = (struct rectangle){left, 0, left + width, height};
    label->place = first;
}

/* The seam keeps a label apart from a box or label of its own colour. */
static void draw_label(struct tess_canvas *canvas, const struct label *label,
                       const struct style *style, struct colour colour)
{
    const int seam = tess_max_int(1, style->line / 3);
    frame(canvas, grown(label->place, seam), seam, black, CASING_OPACITY);
    fill(canvas, label->place, colour, OPAQUE);
    draw_text(canvas, label->text, label->place.left + LABEL_MARGIN * style->letter,
              label->place.top + LABEL_TEXT_TOP * style->letter, style->letter,
              text_colour(colour));
}

enum tess_status tess_draw_detections(struct tess_canvas *canvas,
                                      const struct tess_detection *detections,
                                      int n_detections, const struct tess_names *names,
                                      struct tess_error *error)
{
    assert(n_detections >= 0);
    if (n_detections == 0)
        return TESS_OK;
    struct label *labels = calloc((size_t)n_detections, sizeof *labels);
    if (!labels)
        return tess_error_nomem(error);
    const struct style style = style_for(canvas);
    /* The best choose their places first and are drawn last. */
    for (int i = 0; i < n_detections; i++) {
        compose_text(&detections[i], names, labels[i].text);
        place_label(canvas, box_of(canvas, &detections[i]), &style, labels, i);
    }
    for (int i = n_detections - 1; i >= 0; i--)
        draw_box(canvas, box_of(canvas, &detections[i]), &style,
                 class_colour(detections[i].class_id));
    for (int i = n_detections - 1; i >= 0; i--)
        draw_label(canvas, &labels[i], &style, class_colour(detections[i].class_id));
    free(labels);
    return TESS_OK;
}
