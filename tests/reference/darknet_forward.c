/* One forward pass of Debian's libdarknet on raw input: the independent reference for
 * whole networks, and the other side of bench/vs_darknet.sh.
 *
 *   darknet_forward CFG WEIGHTS INPUT N_RUNS [LAYER=FILE ...]
 *
 * INPUT and the layer files are float32, planar C,H,W. Writes the layers' outputs after
 * the last run, and to standard output one "KEY VALUE" per line: time_ms for every run
 * (network_predict alone), library_bytes (resident before the network was loaded: darknet
 * drags OpenCV in) and peak_bytes (VmHWM at the end).
 *
 * Quirks of the library: it prints layers to standard error, exits by itself when a file
 * is missing, and needs a cfg with batch=1 or it takes memory for whole training batches.
 */
#include <darknet.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static int complain(const char *what, const char *name)
{
    fprintf(stderr, "darknet_forward: %s %s\n", what, name);
    return 1;
}

/* A line of /proc/self/status such as VmHWM, in bytes; 0 if there is none. */
static long long status_bytes(const char *key)
{
    char line[256];
    long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kib == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = atoll(line + strlen(key) + 1);
    if (file)
        fclose(file);
    return kib * 1024;
}

static float *read_input(const char *path, size_t n_elems)
{
    float *input = calloc(n_elems, sizeof *input);
    FILE *file = fopen(path, "rb");
    size_t n_read = input && file ? fread(input, sizeof *input, n_elems, file) : 0;
    bool is_right = n_read == n_elems && fgetc(file) == EOF;
    if (file)
        fclose(file);
    if (is_right)
        return input;
    free(input);
    return NULL;
}

static int write_layer(const network *net, const char *request)
{
    char *end;
    long number = strtol(request, &end, 10);
    if (end == request || *end != '=' || number < 0 || number >= net->n)
        return complain("expected LAYER=FILE, not", request);
    const layer *chosen = &net->layers[number];
    FILE *file = fopen(end + 1, "wb");
    if (!file)
        return complain("cannot write", end + 1);
    size_t n_elems = (size_t)chosen->outputs;
    size_t n_written = fwrite(chosen->output, sizeof(float), n_elems, file);
    if (fclose(file) != 0 || n_written != n_elems)
        return complain("cannot write", end + 1);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return complain("usage: CFG WEIGHTS INPUT N_RUNS [LAYER=FILE ...], not",
                        argc > 1 ? argv[1] : "nothing");
    long long library_bytes = status_bytes("VmRSS");
    network *net = load_network(argv[1], argv[2], 0);
    set_batch_network(net, 1);
    float *input = read_input(argv[3], (size_t)net->inputs);
    if (!input)
        return complain("not the floats this network reads:", argv[3]);
    for (int i = 0; i < atoi(argv[4]); i++) {
        double start_us = tess_clock_us();
        network_predict(net, input);
        printf("time_ms %.3f\n", (tess_clock_us() - start_us) / 1e3);
    }
    printf("library_bytes %lld\npeak_bytes %lld\n", library_bytes, status_bytes("VmHWM"));
    int failures = 0;
    for (int i = 5; i < argc; i++)
        failures += write_layer(net, argv[i]);
    free(input);
    free_network(net);
    return failures > 0;
}
