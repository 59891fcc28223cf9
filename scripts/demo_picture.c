/* demo_picture FILE.png: draws the picture that scripts/demo runs networks on, 768x576.
 *
 * A street at dusk from integer arithmetic alone, so that it is the same on every
 * machine. It stands in for a photograph; no network was trained on anything like it.
 */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 768, HEIGHT = 576, HORIZON = 330 };

struct colour {
    int r, g, b;
};

static unsigned char pixels[HEIGHT][WIDTH][3];

static void put(int x, int y, struct colour colour)
{
    if (x < 0 || x >= WIDTH || y < 0 || y >= HEIGHT)
        return;
    pixels[y][x][0] = (unsigned char)colour.r;
    pixels[y][x][1] = (unsigned char)colour.g;
    pixels[y][x][2] = (unsigned char)colour.b;
}

/* `at` of `steps` steps from a to b. */
static struct colour mix(struct colour a, struct colour b, int at, int steps)
{
    struct colour between = {a.r + (b.r - a.r) * at / steps,
                             a.g + (b.g - a.g) * at / steps,
                             a.b + (b.b - a.b) * at / steps};
    return between;
}

static void draw_box(int left, int top, int width, int height, struct colour colour)
{
    for (int y = top; y < top + height; y++)
        for (int x = left; x < left + width; x++)
            put(x, y, colour);
}

static void draw_disc(int centre_x, int centre_y, int radius, struct colour colour)
{
    for (int y = -radius; y <= radius; y++)
        for (int x = -radius; x <= radius; x++)
            if (x * x + y * y <= radius * radius)
                put(centre_x + x, centre_y + y, colour);
}

static void draw_ground_and_sky(void)
{
    const struct colour zenith = {58, 74, 130}, dusk = {244, 178, 120};
    const struct colour far = {120, 112, 110}, near = {54, 54, 60},
                        line = {230, 226, 200};
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            put(x, y,
                y < HORIZON ? mix(zenith, dusk, y, HORIZON)
                            : mix(far, near, y - HORIZON, HEIGHT - HORIZON));
    draw_disc(560, 250, 44, (struct colour){255, 226, 160});
    for (int y = HORIZON + 6; y < HEIGHT; y++) /* the dashes grow towards the viewer */
        if ((y - HORIZON) * (y - HORIZON) / 900 % 2 == 0)
            draw_box(WIDTH / 2 - (y - HORIZON) / 24, y, 2 + (y - HORIZON) / 12, 1, line);
}

static void draw_house(int left, int width, int height, struct colour wall)
{
    const struct colour lit = {250, 220, 130}, dark = {40, 44, 62};
    draw_box(left, HORIZON - height, width, height + 8, wall);
    for (int row = 0; row * 34 + 40 < height; row++)
        for (int column = 0; column * 28 + 24 < width; column++)
            draw_box(left + 10 + column * 28, HORIZON - height + 14 + row * 34, 14, 20,
                     (row * 7 + column * 5 + left) % 3 == 0 ? lit : dark);
}

static void draw_car(int left, int top, struct colour body)
{
    const struct colour glass = {150, 190, 210}, tyre = {20, 20, 22},
                        hub = {180, 180, 184};
    draw_box(left + 40, top - 44, 120, 44, body);
    draw_box(left + 50, top - 36, 46, 30, glass);
    draw_box(left + 104, top - 36, 46, 30, glass);
    draw_box(left, top, 210, 50, body);
    draw_box(left + 200, top + 10, 12, 12, (struct colour){255, 246, 200});
    for (int wheel = 0; wheel < 2; wheel++) {
        draw_disc(left + 46 + wheel * 118, top + 52, 26, tyre);
        draw_disc(left + 46 + wheel * 118, top + 52, 11, hub);
    }
}

static int write_png(const char *path)
{
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = WIDTH;
    image.height = HEIGHT;
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path, 0, pixels, 0, NULL))
        return EXIT_SUCCESS;
    fprintf(stderr, "%s: %s\n", path, image.message);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: demo_picture FILE.png\n");
        return EXIT_FAILURE;
    }
    draw_ground_and_sky();
    draw_house(0, 150, 250, (struct colour){96, 70, 78});
    draw_house(160, 120, 180, (struct colour){122, 96, 84});
    draw_house(640, 128, 220, (struct colour){84, 78, 96});
    draw_car(250, 400, (struct colour){176, 48, 44});
    draw_car(500, 360, (struct colour){46, 92, 150});
    draw_disc(120, 360, 17, (struct colour){222, 180, 150});
    draw_box(104, 378, 34, 70, (struct colour){60, 110, 80});
    draw_box(106, 448, 12, 62, (struct colour){40, 42, 60});
    draw_box(124, 448, 12, 62, (struct colour){40, 42, 60});
    return write_png(argv[1]);
}
