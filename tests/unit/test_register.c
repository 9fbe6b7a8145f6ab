/* SPDX-License-Identifier: MIT */
/*
 * Announcing memory: the device is told of it, and one that does nothing with
 * it is as good as any.
 */
#include "mock.h"

static unsigned char memory[4096];

static uint64_t refused(const struct rig *rig)
{
	return mpio_queue_stats(rig->queue)->memory_refused;
}

static void the_device_is_told(void **state)
{
	struct rig *rig = *state;

	mock_registering(&rig->a);
	rig_open(rig);
	assert_int_equal(mpio_queue_register_memory(rig->queue, memory + 1, 99),
			 0);
	assert_ptr_equal(rig->a.registered, memory + 1);
	assert_int_equal(rig->a.registered_length, 99);
	assert_int_equal(refused(rig), 0);
}

static void no_memory_is_refused(void **state)
{
	struct rig *rig = *state;
	void *last = (void *)UINTPTR_MAX;

	mock_registering(&rig->a);
	rig_open(rig);
	assert_int_equal(mpio_queue_register_memory(rig->queue, NULL, 10),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_queue_register_memory(rig->queue, memory, 0),
			 -MPIO_EINVAL);
	assert_int_equal(
		mpio_queue_register_memory(rig->queue, memory, SIZE_MAX),
		-MPIO_EINVAL);
	assert_int_equal(mpio_queue_register_memory(rig->queue, last, 2),
			 -MPIO_EINVAL);
	assert_null(rig->a.registered);
	assert_int_equal(refused(rig), 0);
	assert_int_equal(mpio_queue_register_memory(rig->queue, last, 1), 0);
}

static void a_device_that_cannot_is_counted(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	assert_int_equal(mpio_queue_register_memory(rig->queue, memory, 4096),
			 0);
	assert_int_equal(refused(rig), 1);
	assert_int_equal(mpio_queue_register_memory(rig->queue, NULL, 4096),
			 -MPIO_EINVAL);
	assert_int_equal(refused(rig), 1);
}

static void a_device_that_may_not_is_counted(void **state)
{
	struct rig *rig = *state;

	mock_registering(&rig->a);
	rig->a.register_error = -MPIO_ENOMEM;
	rig_open(rig);
	for (uint32_t i = 1; i < 4; i++) {
		assert_int_equal(
			mpio_queue_register_memory(rig->queue, memory, 4096),
			0);
		assert_int_equal(refused(rig), i);
	}
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 1);
	assert_int_equal(rig->ios[0].status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(the_device_is_told),
		RIG_TEST(no_memory_is_refused),
		RIG_TEST(a_device_that_cannot_is_counted),
		RIG_TEST(a_device_that_may_not_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
