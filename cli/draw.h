/* Boxes and labels on a canvas, for people to look at.
 *
 * Line width and letters grow with the canvas, colours follow the class, and labels stay
 * inside the canvas and off each other as far as there is room. Boxes come from detect.h,
 * canvases from image_canvas.h, letters from font.h.
 */
#ifndef TESS_CLI_DRAW_H
#define TESS_CLI_DRAW_H

#include "base/error.h"
#include "cli/detect.h"
#include "cli/image_canvas.h"
#include "cli/names.h"

/* Draws every detection with a label such as "dog 82%". `detections`, best first, are in
 * pixels of `canvas`; better ones lie on top. Names beyond ASCII show '?' for each other
 * character. `names` may be NULL. TESS_E_NOMEM, the canvas then being as it was. */
enum tess_status tess_draw_detections(struct tess_canvas *canvas,
                                      const struct tess_detection *detections,
                                      int n_detections, const struct tess_names *names,
                                      struct tess_error *error);

#endif
