/* SPDX-License-Identifier: MIT */
/*
 * libmpio from C++17: the headers compile, the library links, and a bio writes
 * and reads back what it was given.
 */
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <array>
#include <cstdio>

namespace {

int move(mpio_queue *queue, mpio_bio_op op, std::array<char, 512> &bytes)
{
	int status = -MPIO_EBUSY;
	mpio_bio *bio = mpio_bio_get(queue, op, 0);

	if (bio == nullptr)
		return -MPIO_ENOMEM;
	bio->offset = 4096;
	bio->ctx = &status;
	bio->end_io = [](mpio_bio *ended) {
		*static_cast<int *>(ended->ctx) = ended->status;
		mpio_bio_put(ended);
	};
	int error = mpio_bio_add(bio, bytes.data(), bytes.size());
	if (error == 0)
		error = mpio_bio_submit(bio);
	if (error == 0)
		error = mpio_queue_drain(queue);
	return error != 0 ? error : status;
}

} // namespace

int main()
{
	mpio_device *device = nullptr;
	mpio_queue *queue = nullptr;
	mpio_queue_config config{};
	mpio_allocator allocator = mpio_allocator_libc();
	std::array<char, 512> out{"hello"}, in{};

	config.allocator = &allocator;
	int error = mpio_device_open("mem:1M", &device);
	if (error == 0)
		error = mpio_queue_open(device, &config, &queue);
	if (error == 0)
		error = move(queue, MPIO_BIO_WRITE, out);
	if (error == 0)
		error = move(queue, MPIO_BIO_READ, in);
	mpio_queue_close(queue);
	mpio_device_close(device);

	std::printf("%s, %s\n", in.data(), mpio_strerror(error));
	return error != 0 || in != out;
}
