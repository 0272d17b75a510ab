/* test_list.c - The intrusive ring */
#include "tests/unit/cm.h"

#include "gateway/base/list.h"

struct thing {
	int v;
	struct list node;
};

static void list_keeps_order_and_survives_double_delete(void **state)
{
	struct thing t[4] = { { .v = 0 }, { .v = 1 }, { .v = 2 }, { .v = 3 } };
	struct list head, *p, *n;
	int want = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 1; i < 4; i++)
		list_add_tail(&head, &t[i].node);
	list_add(&head, &t[0].node);
	list_for_each (p, &head)
		assert_int_equal(container_of(p, struct thing, node)->v,
				 want++);
	assert_int_equal(want, 4);
	assert_int_equal(list_first(&head, struct thing, node)->v, 0);
	assert_int_equal(list_last(&head, struct thing, node)->v, 3);
	list_del(&t[1].node);
	list_del(&t[1].node);
	assert_ptr_equal(t[0].node.next, &t[2].node);
	list_for_each_safe (p, n, &head)
		list_del(p);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_keeps_order_and_survives_double_delete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
