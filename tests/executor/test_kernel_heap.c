#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "executor/kernel_heap.h"
#include "executor/process_memory.h"
#include "executor/xnn_heap.h"

static void test_pieces_are_aligned_and_end_with_the_block(void **state)
{
    (void)state;
    struct tess_kernel_heap heap = {0};
    struct tess_pen pen;
    assert_int_equal(tess_pen_init(&pen, &heap, NULL, 0, 256, NULL), TESS_OK);
    unsigned char *first = tess_pen_take(&pen, 1), *second = tess_pen_take(&pen, 128);
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_ptr_equal(second, first + 64);
    assert_null(tess_pen_take(&pen, 65));
    assert_non_null(tess_pen_take(&pen, 64));
    assert_null(tess_pen_take(&pen, 1));
    assert_int_equal(heap.now_bytes, 256);
    tess_pen_release(&pen);
    tess_pen_release(&pen); /* zeroed now */
    assert_int_equal(heap.now_bytes, 0);
    assert_int_equal(heap.peak_bytes, 256);
}

static void test_the_cap_holds_for_the_sum_of_blocks(void **state)
{
    (void)state;
    struct tess_kernel_heap heap = {0};
    struct tess_pen first, second;
    struct tess_error error;
    tess_error_init(&error);
    tess_kernel_heap_start(&heap, 1024);
    assert_int_equal(tess_pen_init(&first, &heap, NULL, 0, 640, NULL), TESS_OK);
    assert_int_equal(tess_pen_init(&second, &heap, NULL, 0, 448, &error), TESS_E_BUDGET);
    assert_non_null(strstr(error.message, "448"));
    assert_int_equal(tess_pen_init(&second, &heap, NULL, 0, 384, NULL), TESS_OK);
    assert_int_equal(heap.now_bytes, 1024);
    tess_pen_release(&first);
    tess_pen_release(&second);
    tess_kernel_heap_start(&heap, 0);
    assert_int_equal(heap.peak_bytes, 0);
}

static void test_borrowed_memory_is_not_counted(void **state)
{
    (void)state;
    struct tess_kernel_heap heap = {0};
    struct tess_pen pen;
    void *memory = aligned_alloc(64, 512);
    assert_int_equal(tess_pen_init(&pen, &heap, memory, 512, 576, NULL), TESS_E_BUDGET);
    assert_int_equal(tess_pen_init(&pen, &heap, memory, 512, 512, NULL), TESS_OK);
    assert_ptr_equal(tess_pen_take(&pen, 512), memory);
    tess_pen_release(&pen);
    assert_int_equal(heap.peak_bytes, 0);
    free(memory);
}

static void test_released_blocks_leave_the_process(void **state)
{
    (void)state;
    enum { N_BYTES = 32 << 20 };
    struct tess_kernel_heap heap = {0};
    struct tess_pen pen;
    int64_t before = tess_process_resident_bytes();
    assert_int_equal(tess_pen_init(&pen, &heap, NULL, 0, N_BYTES, NULL), TESS_OK);
    memset(pen.data, 1, N_BYTES);
    assert_true(tess_process_resident_bytes() - before > N_BYTES / 2);
    tess_pen_release(&pen);
    assert_true(tess_process_resident_bytes() - before < N_BYTES / 4);
    assert_true(tess_process_peak_bytes() - before > N_BYTES / 2);
}

static void test_the_allocator_grows_blocks_and_forgets_none(void **state)
{
    (void)state;
    int64_t before = tess_xnn_heap.now_bytes;
    unsigned char *block = tess_xnn_reallocate(NULL, NULL, 100);
    memset(block, 7, 100);
    assert_ptr_equal(tess_xnn_reallocate(NULL, block, 20), block);
    assert_ptr_equal(tess_xnn_reallocate(NULL, block, 128), block); /* has room */
    block = tess_xnn_reallocate(NULL, block, 5000);
    assert_int_equal((uintptr_t)block % 64, 0);
    assert_int_equal(block[99], 7);
    assert_true(tess_xnn_heap.now_bytes >= before + 5000);
    tess_xnn_heap.is_closed = true;
    assert_null(tess_xnn_reallocate(NULL, block, 50000));
    assert_null(tess_xnn_allocate(NULL, 1));
    tess_xnn_heap.is_closed = false;
    assert_int_equal(block[99], 7); /* a refused block keeps its content */
    tess_xnn_deallocate(NULL, block);
    tess_xnn_deallocate(NULL, NULL);
    assert_int_equal(tess_xnn_heap.now_bytes, before);
}

static void test_a_loan_shares_zeros_and_table_between_operators(void **state)
{
    (void)state;
    struct tess_kernel_heap heap = {0};
    struct tess_pen pen;
    assert_int_equal(tess_pen_init(&pen, &heap, NULL, 0, 4096, NULL), TESS_OK);
    struct tess_xnn_loan loan = {.pen = &pen, .table_bytes = 256};
    void *pieces[2][TESS_XNN_N_PIECES], *tables[2];
    tess_xnn_loan_open(&loan);
    for (int i = 0; i < 2; i++) {
        tess_xnn_loan_next_operator(&loan);
        for (int piece = 0; piece < TESS_XNN_N_PIECES; piece++)
            pieces[i][piece] = tess_xnn_aligned_allocate(NULL, 64, 100);
        tables[i] = tess_xnn_reallocate(NULL, NULL, 200);
    }
    assert_ptr_not_equal(pieces[0][TESS_XNN_WEIGHTS], pieces[1][TESS_XNN_WEIGHTS]);
    assert_ptr_equal(pieces[0][TESS_XNN_ZEROS], pieces[1][TESS_XNN_ZEROS]);
    assert_ptr_equal(tables[0], tables[1]);
    assert_ptr_equal(tess_xnn_reallocate(NULL, tables[0], 256), tables[0]);
    assert_null(tess_xnn_reallocate(NULL, tables[0], 257));
    assert_false(loan.is_short);
    assert_null(tess_xnn_aligned_allocate(NULL, 64, 4096));
    assert_true(loan.is_short);
    tess_xnn_loan_close();
    tess_xnn_deallocate(NULL, tables[0]); /* goes with the pen */
    tess_pen_release(&pen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_aligned_and_end_with_the_block),
        cmocka_unit_test(test_the_cap_holds_for_the_sum_of_blocks),
        cmocka_unit_test(test_borrowed_memory_is_not_counted),
        cmocka_unit_test(test_released_blocks_leave_the_process),
        cmocka_unit_test(test_the_allocator_grows_blocks_and_forgets_none),
        cmocka_unit_test(test_a_loan_shares_zeros_and_table_between_operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
