/* The detections of Debian's libdarknet on one photograph: the other side of
 * check_digits.sh.
 *
 *   darknet_detect CFG WEIGHTS IMAGE THRESHOLD OVERLAP
 *
 * Letterboxes and suppresses as `darknet detector test` does. Prints one line per object,
 * "CLASS SCORE X Y W H", x and y the upper left corner, in pixels of the photograph. The
 * cfg needs batch=1, as for darknet_forward.
 */
#include <darknet.h>

#include <stdio.h>
#include <stdlib.h>

static const float hierarchy_threshold = 0.5f; /* of class trees, which nobody has here */

static void print_objects(const detection *found, int n_found, int n_classes,
                          const image *photograph)
{
    for (int i = 0; i < n_found; i++) {
        const box *b = &found[i].bbox;
        for (int c = 0; c < n_classes; c++)
            if (found[i].prob[c] > 0)
                printf("%d %.4f %.2f %.2f %.2f %.2f\n", c, (double)found[i].prob[c],
                       (double)((b->x - b->w / 2) * (float)photograph->w),
                       (double)((b->y - b->h / 2) * (float)photograph->h),
                       (double)(b->w * (float)photograph->w),
                       (double)(b->h * (float)photograph->h));
    }
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: darknet_detect CFG WEIGHTS IMAGE THRESHOLD OVERLAP\n");
        return 2;
    }
    const float threshold = strtof(argv[4], NULL), overlap = strtof(argv[5], NULL);
    network *net = load_network(argv[1], argv[2], 0);
    set_batch_network(net, 1);
    image photograph = load_image_color(argv[3], 0, 0);
    image input = letterbox_image(photograph, net->w, net->h);
    network_predict(net, input.data);
    int n_found = 0;
    const int n_classes = net->layers[net->n - 1].classes;
    detection *found = get_network_boxes(net, photograph.w, photograph.h, threshold,
                                         hierarchy_threshold, NULL, 1, &n_found);
    do_nms_sort(found, n_found, n_classes, overlap);
    print_objects(found, n_found, n_classes, &photograph);
    free_detections(found, n_found);
    free_image(photograph);
    free_image(input);
    free_network(net);
    return 0;
}
