/* The detections that plain loops find: the other side of check_photo.sh.
 *
 *   naive_detect CFG WEIGHTS IMAGE.jpg letterbox|stretch TENSOR
 *
 * Prints one line per object on the photograph, "picture CLASS SCORE X Y W H", and the
 * same with "tensor" in pixels of the network's input, and writes that input to TENSOR
 * (float32, C,H,W).
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "tests/reference/naive_net.h"

static const double threshold = 0.25, max_overlap = 0.45;

struct picture {
    int w, h;
    unsigned char *rgb; /* [h][w][3] */
};

/* Where the photograph lies in the network's input, in its pixels. */
struct fit {
    int w, h, left, top;
};

struct object {
    int class_id;
    double score;
    double x, y, w, h; /* centre and size, in fractions of the network's input */
};

struct objects {
    int n;
    struct object *items;
};

static void load_picture(const char *path, struct picture *picture)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(path, "rb");
    if (!file)
        naive_die("cannot open", path);
    jpeg.err = jpeg_std_error(&errors); /* which ends the program on errors */
    jpeg_create_decompress(&jpeg);
    jpeg_stdio_src(&jpeg, file);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg);
    picture->w = (int)jpeg.output_width;
    picture->h = (int)jpeg.output_height;
    picture->rgb = naive_alloc(3.0 * picture->w * picture->h, 1);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row =
            picture->rgb + (size_t)jpeg.output_scanline * 3 * jpeg.output_width;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    fclose(file);
}

static struct fit fit_picture(const struct picture *picture,
                              const struct naive_layer *input, bool is_stretched)
{
    struct fit fit = {input->w, input->h, 0, 0};
    if (!is_stretched && (double)input->w / picture->w < (double)input->h / picture->h)
        fit.h = picture->h * input->w / picture->w;
    else if (!is_stretched)
        fit.w = picture->w * input->h / picture->h;
    fit.left = (input->w - fit.w) / 2;
    fit.top = (input->h - fit.h) / 2;
    return fit;
}

/* Bilinear, the corner pixels of both images on top of each other; values 0 to 1. */
static double sample(const struct picture *picture, int c, double y, double x)
{
    int y0 = (int)y, x0 = (int)x;
    int y1 = y0 + 1 < picture->h ? y0 + 1 : y0, x1 = x0 + 1 < picture->w ? x0 + 1 : x0;
    double dy = y - y0, dx = x - x0;
    const unsigned char *rgb = picture->rgb + c;
    double above =
        (1 - dx) * rgb[3 * (y0 * picture->w + x0)] + dx * rgb[3 * (y0 * picture->w + x1)];
    double below =
        (1 - dx) * rgb[3 * (y1 * picture->w + x0)] + dx * rgb[3 * (y1 * picture->w + x1)];
    return ((1 - dy) * above + dy * below) / 255;
}

static void fill_input(const struct picture *picture, const struct fit *fit,
                       struct naive_layer *input)
{
    double step_y = (double)(picture->h - 1) / (fit->h - 1);
    double step_x = (double)(picture->w - 1) / (fit->w - 1);
    double *to = input->out;
    for (int c = 0; c < input->c; c++)
        for (int y = 0; y < input->h; y++)
            for (int x = 0; x < input->w; x++) {
                int py = y - fit->top, px = x - fit->left;
                bool is_inside = py >= 0 && py < fit->h && px >= 0 && px < fit->w;
                *to++ = is_inside ? sample(picture, c, py * step_y, px * step_x) : 0.5;
            }
}

static void write_tensor(const struct naive_layer *input, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        naive_die("cannot write", path);
    for (int i = 0; i < input->c * input->h * input->w; i++) {
        float value = (float)input->out[i];
        fwrite(&value, sizeof value, 1, file);
        input->out[i] = (double)value; /* both programs start from the same bits */
    }
    if (fclose(file) != 0)
        naive_die("cannot write", path);
}

static double value_at(const struct naive_layer *head, int c, int y, int x)
{
    return head
        ->out[((size_t)c * (size_t)head->h + (size_t)y) * (size_t)head->w + (size_t)x];
}

static void gather_cell(const struct naive_layer *head, const struct naive_layer *input,
                        int a, int y, int x, struct objects *objects)
{
    double mask = 0, anchor_w = 0, anchor_h = 0;
    int n_classes = (int)naive_number(head, "classes", 0), c = a * (5 + n_classes);
    naive_item(head, "mask", a, &mask);
    naive_item(head, "anchors", 2 * (int)mask, &anchor_w);
    naive_item(head, "anchors", 2 * (int)mask + 1, &anchor_h);
    for (int k = 0; k < n_classes; k++) {
        double score = value_at(head, c + 4, y, x) * value_at(head, c + 5 + k, y, x);
        if (score <= threshold)
            continue;
        objects->items =
            realloc(objects->items, ((size_t)objects->n + 1) * sizeof(struct object));
        if (!objects->items)
            naive_die("no memory", "");
        objects->items[objects->n++] = (struct object){
            k,
            score,
            (x + value_at(head, c, y, x)) / head->w,
            (y + value_at(head, c + 1, y, x)) / head->h,
            exp(value_at(head, c + 2, y, x)) * anchor_w / input->w,
            exp(value_at(head, c + 3, y, x)) * anchor_h / input->h,
        };
    }
}

static void gather(const struct naive_net *net, struct objects *objects)
{
    for (int i = 1; i < net->n_layers; i++) {
        const struct naive_layer *head = &net->layers[i];
        double mask;
        if (strcmp(head->kind, "yolo") != 0)
            continue;
        if (naive_number(head, "scale_x_y", 1) != 1)
            naive_die("scale_x_y is not 1 in", head->kind);
        for (int a = 0; naive_item(head, "mask", a, &mask); a++)
            for (int y = 0; y < head->h; y++)
                for (int x = 0; x < head->w; x++)
                    gather_cell(head, &net->layers[0], a, y, x, objects);
    }
}

static double shared(double a, double a_size, double b, double b_size)
{
    return fmin(a + a_size / 2, b + b_size / 2) - fmax(a - a_size / 2, b - b_size / 2);
}

static bool is_same_object(const struct object *a, const struct object *b)
{
    double w = shared(a->x, a->w, b->x, b->w), h = shared(a->y, a->h, b->y, b->h);
    if (a->class_id != b->class_id || w <= 0 || h <= 0)
        return false;
    return w * h / (a->w * a->h + b->w * b->h - w * h) > max_overlap;
}

/* Keeps the best of each heap of boxes; what is dropped gets score 0. */
static void suppress(struct objects *objects)
{
    bool *is_done = naive_alloc(objects->n, sizeof *is_done);
    for (;;) {
        int best = -1;
        for (int i = 0; i < objects->n; i++)
            if (!is_done[i] &&
                (best < 0 || objects->items[i].score > objects->items[best].score))
                best = i;
        if (best < 0)
            break;
        is_done[best] = true;
        for (int i = 0; i < objects->n; i++)
            if (!is_done[i] &&
                is_same_object(&objects->items[best], &objects->items[i])) {
                is_done[i] = true;
                objects->items[i].score = 0;
            }
    }
    free(is_done);
}

/* The box in pixels of an image that fills [left, left + w) x [top, top + h) of the input
 * in fractions, cut at the image's border. */
static void print_object(const char *where, const struct object *object, int image_w,
                         int image_h, double left, double top, double w, double h)
{
    double x0 = fmax((object->x - object->w / 2 - left) / w * image_w, 0);
    double y0 = fmax((object->y - object->h / 2 - top) / h * image_h, 0);
    double x1 = fmin((object->x + object->w / 2 - left) / w * image_w, image_w);
    double y1 = fmin((object->y + object->h / 2 - top) / h * image_h, image_h);
    printf("%s %d %.6f %.3f %.3f %.3f %.3f\n", where, object->class_id, object->score, x0,
           y0, x1 - x0, y1 - y0);
}

int main(int argc, char **argv)
{
    struct naive_net net;
    struct picture picture;
    struct objects objects = {0, NULL};
    if (argc != 6)
        naive_die("usage: CFG WEIGHTS IMAGE.jpg letterbox|stretch TENSOR, not",
                  argv[argc - 1]);
    naive_net_init(&net, argv[1]);
    load_picture(argv[3], &picture);
    struct naive_layer *input = &net.layers[0];
    struct fit fit = fit_picture(&picture, input, strcmp(argv[4], "stretch") == 0);
    fill_input(&picture, &fit, input);
    write_tensor(input, argv[5]);
    naive_net_run(&net, argv[2]);
    gather(&net, &objects);
    suppress(&objects);
    for (int i = 0; i < objects.n; i++) {
        const struct object *object = &objects.items[i];
        if (object->score == 0)
            continue;
        print_object("picture", object, picture.w, picture.h,
                     (input->w - fit.w) / 2.0 / input->w,
                     (input->h - fit.h) / 2.0 / input->h, (double)fit.w / input->w,
                     (double)fit.h / input->h);
        print_object("tensor", object, input->w, input->h, 0, 0, 1, 1);
    }
    free(objects.items);
    free(picture.rgb);
    naive_net_release(&net);
    return 0;
}
