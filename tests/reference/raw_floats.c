/* Files of raw float32: make random ones, compare two.
 *
 *   raw_floats random N_ELEMS SEED FILE     uniform in [0, 1)
 *   raw_floats levels N_ELEMS SEED FILE     of a byte / 255, as photographs are
 *   raw_floats compare FILE FILE TOLERANCE  the greatest difference against TOLERANCE
 * times the greatest magnitude of the second file
 *
 * compare prints what it found and fails also where numbers are not finite, where sizes
 * differ, and where the second file is constant: such an output would prove nothing.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

struct floats {
    float *data;
    size_t n_elems;
};

static int complain(const char *what, const char *name)
{
    fprintf(stderr, "raw_floats: %s %s\n", what, name);
    return 2;
}

static int make_random(const char *count, const char *seed, bool has_levels,
                       const char *path)
{
    struct tess_rng rng;
    tess_rng_init(&rng, strtoull(seed, NULL, 10));
    FILE *file = fopen(path, "wb");
    if (!file)
        return complain("cannot write", path);
    bool is_written = true;
    for (long long i = atoll(count); i > 0 && is_written; i--) {
        float value = tess_rng_float(&rng);
        if (has_levels)
            value = (float)((int)(value * 256) / 255.);
        is_written = fwrite(&value, sizeof value, 1, file) == 1;
    }
    if (fclose(file) != 0 || !is_written)
        return complain("cannot write", path);
    return 0;
}

static bool load(const char *path, struct floats *floats)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    long n_bytes = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    rewind(file);
    if (n_bytes > 0 && n_bytes % (long)sizeof(float) == 0)
        floats->data = malloc((size_t)n_bytes);
    if (floats->data)
        floats->n_elems = fread(floats->data, sizeof(float), (size_t)n_bytes / 4, file);
    fclose(file);
    return floats->data && floats->n_elems == (size_t)n_bytes / 4;
}

/* Prints the verdict; 0 if the floats agree. */
static int judge(const struct floats *ours, const struct floats *theirs, double tolerance)
{
    double worst = 0, magnitude = 0;
    double least = (double)theirs->data[0], most = least;
    size_t worst_at = 0;
    bool is_finite = true;
    for (size_t i = 0; i < theirs->n_elems; i++) {
        double a = (double)ours->data[i], b = (double)theirs->data[i];
        is_finite = is_finite && isfinite(a) && isfinite(b);
        least = fmin(least, b);
        most = fmax(most, b);
        magnitude = fmax(magnitude, fabs(b));
        if (fabs(a - b) > worst) {
            worst = fabs(a - b);
            worst_at = i;
        }
    }
    bool is_equal = is_finite && most > least && worst <= tolerance * magnitude;
    printf("%s: %zu floats from %g to %g, greatest difference %.3g at %zu, that is %.2g "
           "of the "
           "greatest magnitude (%g allowed)%s%s\n",
           is_equal ? "equal" : "DIFFERENT", theirs->n_elems, least, most, worst,
           worst_at, magnitude > 0 ? worst / magnitude : 0, tolerance,
           is_finite ? "" : ", not all finite", most > least ? "" : ", constant");
    return is_equal ? 0 : 1;
}

static int compare(const char *our_path, const char *their_path, const char *tolerance)
{
    struct floats ours = {0}, theirs = {0};
    int result = 2;
    if (!load(our_path, &ours))
        complain("cannot read floats from", our_path);
    else if (!load(their_path, &theirs))
        complain("cannot read floats from", their_path);
    else if (ours.n_elems != theirs.n_elems)
        complain("not the size of the other:", our_path);
    else
        result = judge(&ours, &theirs, strtod(tolerance, NULL));
    free(ours.data);
    free(theirs.data);
    return result;
}

int main(int argc, char **argv)
{
    bool has_levels = argc > 1 && strcmp(argv[1], "levels") == 0;
    if (argc == 5 && (has_levels || strcmp(argv[1], "random") == 0))
        return make_random(argv[2], argv[3], has_levels, argv[4]);
    if (argc == 5 && strcmp(argv[1], "compare") == 0)
        return compare(argv[2], argv[3], argv[4]);
    return complain("usage: random N_ELEMS SEED FILE | compare FILE FILE TOLERANCE, not",
                    argc > 1 ? argv[1] : "nothing");
}
