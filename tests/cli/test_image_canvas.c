#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/image_canvas.h"

enum { W = 21, H = 13, N_BYTES = 3 * W * H };

static char folder[] = "/tmp/tess_canvas_XXXXXX";
static char path[128];

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

/* Counts and removes what is left in the folder. */
static int empty_folder(void)
{
    DIR *dir = opendir(folder);
    int n_files = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        n_files++;
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return n_files;
}

static int remove_folder(void **state)
{
    (void)state;
    empty_folder();
    return rmdir(folder);
}

static void make_canvas(struct tess_canvas *canvas)
{
    assert_int_equal(tess_canvas_init(canvas, W, H, NULL), TESS_OK);
    for (int i = 0; i < N_BYTES; i++)
        canvas->rgb[i] = (unsigned char)(i % 3 * 70 + i / 3 % W * 4 + i / 3 / W * 2);
}

/* Saves and loads under `name`; the largest difference of a byte. */
static int round_trip(const char *name)
{
    struct tess_canvas canvas, back;
    int worst = 0;
    make_canvas(&canvas);
    assert_int_equal(tess_canvas_save(&canvas, in_folder(name), NULL), TESS_OK);
    assert_int_equal(tess_canvas_load(path, &back, NULL), TESS_OK);
    assert_int_equal(back.width, W);
    assert_int_equal(back.height, H);
    for (int i = 0; i < N_BYTES; i++) {
        int difference = abs(back.rgb[i] - canvas.rgb[i]);
        worst = difference > worst ? difference : worst;
    }
    tess_canvas_release(&back);
    tess_canvas_release(&canvas);
    return worst;
}

static void test_png_comes_back_exactly(void **state)
{
    (void)state;
    assert_int_equal(round_trip("a.png"), 0);
    assert_int_equal(round_trip("a.b.PNG"), 0);
    assert_int_equal(empty_folder(), 2); /* and no temporary file */
}

static void test_jpeg_comes_back_nearly(void **state)
{
    (void)state;
    assert_in_range(round_trip("a.jpg"), 0, 12);
    assert_in_range(round_trip("a.JPEG"), 0, 12);
    assert_int_equal(empty_folder(), 2);
}

static void test_other_suffixes_are_refused_before_writing(void **state)
{
    (void)state;
    struct tess_canvas canvas;
    struct tess_error error;
    make_canvas(&canvas);
    const char *const names[] = {"a.gif", "a", "a.png.txt", "png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tess_error_init(&error);
        assert_false(tess_canvas_can_save(in_folder(names[i])));
        assert_int_equal(tess_canvas_save(&canvas, path, &error), TESS_E_USAGE);
        assert_non_null(strstr(error.hint, ".png"));
    }
    assert_true(tess_canvas_can_save("x.Jpg"));
    assert_int_equal(empty_folder(), 0);
    tess_canvas_release(&canvas);
}

static void test_folders_that_do_not_exist_are_named(void **state)
{
    (void)state;
    struct tess_canvas canvas;
    struct tess_error error;
    make_canvas(&canvas);
    tess_error_init(&error);
    assert_int_equal(tess_canvas_save(&canvas, "no/such/folder/a.png", &error),
                     TESS_E_IO);
    assert_string_equal(error.file, "no/such/folder/a.png");
    tess_canvas_release(&canvas);
}

static void test_a_save_that_fails_late_leaves_no_temporary_file(void **state)
{
    (void)state;
    struct tess_canvas canvas;
    make_canvas(&canvas);
    /* A folder in the way lets everything work but the last rename. */
    assert_int_equal(mkdir(in_folder("a.png"), 0700), 0);
    assert_int_equal(tess_canvas_save(&canvas, path, NULL), TESS_E_IO);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(empty_folder(), 0);
    tess_canvas_release(&canvas);
}

static void test_release_accepts_nothing(void **state)
{
    (void)state;
    struct tess_canvas canvas = {0};
    tess_canvas_release(&canvas);
    tess_canvas_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png_comes_back_exactly),
        cmocka_unit_test(test_jpeg_comes_back_nearly),
        cmocka_unit_test(test_other_suffixes_are_refused_before_writing),
        cmocka_unit_test(test_folders_that_do_not_exist_are_named),
        cmocka_unit_test(test_a_save_that_fails_late_leaves_no_temporary_file),
        cmocka_unit_test(test_release_accepts_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
