/* Runs a fuzz target on given files, and on all files of given folders, where there is no
 * libFuzzer: findings stay fixed and the seeds stay good on every compiler. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "tests/fuzz/fuzz_target.h"

enum { LIMIT_BYTES = 16 << 20 };

static int replay_file(const char *path)
{
    struct tess_text text = {0};
    struct tess_error error;
    tess_error_init(&error);
    if (tess_file_read(path, LIMIT_BYTES, &text, &error) != TESS_OK) {
        fprintf(stderr, "%s: %s\n", path, error.message);
        tess_text_release(&text);
        return 0;
    }
    uint8_t *exact =
        malloc(text.len ? text.len : 1); /* no byte to spare: overruns show */
    if (!exact)
        abort();
    for (size_t i = 0; i < text.len; i++)
        exact[i] = (uint8_t)text.data[i];
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, text.len);
    free(exact);
    tess_text_release(&text);
    return 1;
}

static int replay_folder(DIR *folder, const char *path)
{
    int n_files = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            n_files += replay_file(file);
    }
    return n_files;
}

int main(int argc, char **argv)
{
    int n_files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        n_files += folder ? replay_folder(folder, argv[i]) : replay_file(argv[i]);
        if (folder)
            closedir(folder);
    }
    printf("%d files replayed\n", n_files);
    return n_files > 0 ? 0 : 1;
}
