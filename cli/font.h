/* A small bitmap font for labels: printable ASCII, drawn for this project.
 *
 * Glyphs sit in a cell of 12 rows with at most 8 columns of ink. Capitals stand on rows
 * 1-8, small letters on rows 3-8, descenders reach row 10. It refuses to know other
 * scripts, sizes or pixels: draw.h scales it and puts it on pictures.
 */
#ifndef TESS_CLI_FONT_H
#define TESS_CLI_FONT_H

enum {
    TESS_FONT_ROWS = 12,
    TESS_FONT_CAP_TOP = 1,  /* first row of capitals and digits */
    TESS_FONT_BASELINE = 9, /* row below the last row of letters without descender */
    TESS_FONT_FIRST = 32,   /* first and last character that has a glyph */
    TESS_FONT_LAST = 126
};

/* Rows of a character, [TESS_FONT_ROWS], top first; bit 7 is the leftmost column.
 * Borrowed, never NULL: a character without a glyph looks like '?'. */
const unsigned char *tess_font_glyph(unsigned char character);

/* Columns from this glyph's left edge to the next one's, spacing included; 2 to 9. */
int tess_font_advance(unsigned char character);

#endif
