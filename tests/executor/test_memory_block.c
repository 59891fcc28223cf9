#include "executor/memory_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "plan/facts.h"

enum { PAGE = TESS_FACTS_PAGE_BYTES, MOST = 64 };

static int n_resident(const struct tess_memory_block *block)
{
    unsigned char pages[MOST];
    int n = 0, n_pages = (int)(block->mapped_bytes / PAGE);
    assert_true(n_pages <= MOST);
    assert_int_equal(mincore(block->data, (size_t)block->mapped_bytes, pages), 0);
    for (int i = 0; i < n_pages; i++)
        n += pages[i] & 1;
    return n;
}

static void use(struct tess_memory_block *block, int64_t bytes)
{
    assert_int_equal(tess_memory_block_fit(block, bytes, NULL), TESS_OK);
    memset(block->data, 1, (size_t)bytes);
}

static void test_pages_stay_while_no_less_is_asked_for(void **state)
{
    struct tess_memory_block block = {0};
    (void)state;
    use(&block, 10 * PAGE - 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tess_memory_block_fit(&block, 10 * PAGE, NULL), TESS_OK);
    assert_int_equal(n_resident(&block), 10);
    tess_memory_block_release(&block);
    assert_null(block.data);
}

static void test_pages_beyond_are_given_back(void **state)
{
    struct tess_memory_block block = {0};
    (void)state;
    use(&block, 10 * PAGE);
    const char *data = block.data;
    use(&block, 3 * PAGE + 1);
    assert_int_equal(n_resident(&block), 4);
    assert_int_equal(tess_memory_block_fit(&block, 0, NULL), TESS_OK);
    assert_true(n_resident(&block) <= 1);
    use(&block, 8 * PAGE);
    assert_int_equal(n_resident(&block), 8);
    assert_ptr_equal(block.data, data); /* it was larger once */
    tess_memory_block_release(&block);
}

static void test_spare_pages_stay(void **state)
{
    struct tess_memory_block block = {0};
    (void)state;
    use(&block, 10 * PAGE);
    block.spare_bytes = 3 * PAGE + 17;
    use(&block, 2 * PAGE);
    assert_int_equal(n_resident(&block), 5);
    use(&block, PAGE);
    assert_int_equal(n_resident(&block), 4);
    block.spare_bytes = INT64_MAX;
    use(&block, 20 * PAGE);
    use(&block, PAGE);
    assert_int_equal(n_resident(&block), 20);
    tess_memory_block_release(&block);
}

static void test_what_cannot_be_had_changes_nothing(void **state)
{
    struct tess_memory_block block = {0};
    (void)state;
    use(&block, 2 * PAGE);
    struct tess_memory_block before = block;
    assert_int_equal(tess_memory_block_fit(&block, INT64_C(1) << 60, NULL), TESS_E_NOMEM);
    assert_memory_equal(&block, &before, sizeof block);
    assert_int_equal(block.data[PAGE], 1);
    tess_memory_block_release(&block);
    tess_memory_block_release(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_stay_while_no_less_is_asked_for),
        cmocka_unit_test(test_pages_beyond_are_given_back),
        cmocka_unit_test(test_spare_pages_stay),
        cmocka_unit_test(test_what_cannot_be_had_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
