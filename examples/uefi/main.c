/* SPDX-License-Identifier: MIT */
/*
 * mpio-uefi: reads a kernel from an ext2 or ext4 volume into place, as a boot
 * loader does, and tells what it took.
 *
 *     mpio-uefi.efi [file=PATH] [rounds=N] [compare] [paged]
 *                   [sync | async] [qemu]
 *
 * PATH is /boot/kernel if nothing is said. `compare` reads the same without the
 * library beside it, `paged` also a page at a time, the first time. BLOCK_IO2 is
 * used where that is faster, with `sync` never, with `async` where there is one.
 * With `qemu`, the machine ends with a status of its own;
 * else the application returns to the firmware.
 */
#include "disk.h"
#include "ext/ext.h"
#include "machine.h"
#include "measure.h"

#define PATH_SIZE 256u
#define PAGE_SIZE (1024u * 1024u)
#define PAGES 64u /* so 64 MiB are read in one go */
#define QUEUE_SIZE (256u * 1024u)

static struct options {
	char path[PATH_SIZE];
	uint32_t rounds;
	bool compare, paged, sync, async, qemu;
} options = {.path = "/boot/kernel", .rounds = 1};

/* All memory that reading takes. */
static _Alignas(4096) unsigned char queue_memory[QUEUE_SIZE];
static _Alignas(DISK_AHEAD_MIN) unsigned char ahead[DISK_AHEAD];
static struct mpio_page pages[PAGES];
static struct mpio_page *batch[PAGES];
static struct disk disk;
static struct ext_volume volume;
static struct ext_file file;

/* Handles that were found, in pages of the firmware's. */
static efi_handle *handles;
static size_t handle_pages;

/* ---- Options ------------------------------------------------------------ */

/* If an option begins so, what comes behind that; else NULL. */
static const uint16_t *behind(const uint16_t *text, const uint16_t *end,
			      const char *name)
{
	while (*name != '\0')
		if (text == end || *text++ != (unsigned char)*name++)
			return NULL;
	return text;
}

static bool is_end(const uint16_t *text, const uint16_t *end)
{
	return text == end || *text == 0 || *text == ' ';
}

static bool take_path(const uint16_t *value, const uint16_t *end)
{
	uint32_t n = 0;

	while (!is_end(value, end) && *value < 256 && n + 1 < PATH_SIZE)
		options.path[n++] = (char)*value++;
	options.path[n] = '\0';
	return is_end(value, end);
}

static bool take_rounds(const uint16_t *value, const uint16_t *end)
{
	options.rounds = 0;
	while (!is_end(value, end) && *value >= '0' && *value <= '9' &&
	       options.rounds < 1000)
		options.rounds = options.rounds * 10 + (*value++ - '0');
	return is_end(value, end) && options.rounds > 0;
}

static bool take_option(const uint16_t *text, const uint16_t *end)
{
	static const struct {
		const char *name;
		bool *value;
	} flags[] = {{"compare", &options.compare},
		     {"paged", &options.paged},
		     {"sync", &options.sync},
		     {"async", &options.async},
		     {"qemu", &options.qemu}};
	const uint16_t *value;

	if ((value = behind(text, end, "file=")) != NULL)
		return take_path(value, end);
	if ((value = behind(text, end, "rounds=")) != NULL)
		return take_rounds(value, end);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		value = behind(text, end, flags[i].name);
		if (value != NULL && is_end(value, end)) {
			*flags[i].value = true;
			return true;
		}
	}
	return false;
}

static bool is_program(const uint16_t *text, const uint16_t *end)
{
	const uint16_t *at = text;

	while (!is_end(at, end))
		at++;
	return at - text >= 4 && at[-4] == '.' && (at[-3] | 32) == 'e' &&
	       (at[-2] | 32) == 'f' && (at[-1] | 32) == 'i';
}

/* They are words in 16 bits, perhaps with a 0 behind the last. */
static bool take_options(efi_handle image, struct efi_boot_services *boot)
{
	static const struct efi_guid guid = EFI_LOADED_IMAGE_GUID;
	struct efi_loaded_image *loaded;
	const uint16_t *text, *end;
	bool well = true;

	if (boot->handle_protocol(image, &guid, (void **)&loaded) ||
	    loaded->options == NULL || loaded->options_size < 2)
		return true;
	text = loaded->options;
	end = text + loaded->options_size / 2;
	/* A shell has the program's name before them. */
	if (is_program(text, end))
		while (!is_end(text, end))
			text++;
	while (text < end && *text != 0) {
		if (*text == ' ') {
			text++;
			continue;
		}
		well = take_option(text, end) && well;
		while (!is_end(text, end))
			text++;
	}
	return well;
}

/* ---- Volumes ------------------------------------------------------------ */

static void free_handles(struct efi_boot_services *boot)
{
	if (handles != NULL)
		boot->free_pages((uintptr_t)handles, handle_pages);
	handles = NULL;
	handle_pages = 0;
}

static bool make_handles(struct efi_boot_services *boot, size_t size)
{
	size_t n = (size + EFI_PAGE_SIZE - 1) / EFI_PAGE_SIZE;
	uint64_t address;

	free_handles(boot);
	if (boot->allocate_pages(EFI_ALLOCATE_ANY_PAGES, EFI_LOADER_DATA, n,
				 &address))
		return false;
	handles = (efi_handle *)address;
	handle_pages = n;
	return true;
}

/* However many there are; they take the place of those found before. */
static size_t find_handles(struct efi_boot_services *boot, int type,
			   const struct efi_guid *guid)
{
	efi_status status;
	size_t size;

	do {
		size = handle_pages * EFI_PAGE_SIZE;
		status = boot->locate_handle(type, guid, NULL, &size, handles);
	} while (status == EFI_BUFFER_TOO_SMALL && make_handles(boot, size));
	return status ? 0 : size / sizeof(handles[0]);
}

static void show_disk(void)
{
	print("disk: ");
	print_number(disk.device.size);
	print(" bytes, blocks of ");
	print_number(disk.block_size);
	print(", alignment ");
	print_number(disk.io->media->alignment);
	print(disk.io2 != NULL ? ", BLOCK_IO2\n" : ", BLOCK_IO\n");
	print("volume: ");
	print_number(volume.blocks);
	print(" blocks of ");
	print_number(volume.block_size);
	print("\n");
}

/*
 * Done with the disk. What the firmware still had under way would be written to
 * memory that is somebody else's next: then there is no way back to it.
 */
static void close_disk(struct mpio_queue *queue)
{
	mpio_queue_close(queue);
	if (disk.under_way > 0) {
		print("the firmware has lost reads\nresult: bad\n");
		machine_end(false, options.qemu);
	}
	disk_close(&disk);
}

/* Open the first volume that there is, on a disk or a partition. */
static int open_volume(struct efi_boot_services *boot)
{
	static const struct efi_guid guid = EFI_BLOCK_IO_GUID;
	static const struct mpio_queue_config config = {
		.bios = DISK_DEPTH,
		.segments_max = 1,
		.pages_max = PAGES,
		.walk_pages = 1,
		.bounce_bytes = 64 * 1024,
		.memory = queue_memory,
		.memory_size = sizeof(queue_memory),
	};
	size_t n = find_handles(boot, EFI_BY_PROTOCOL, &guid);
	enum disk_way way = options.sync    ? DISK_SYNC
			    : options.async ? DISK_ASYNC
					    : DISK_BEST;
	int error, worst = -MPIO_ENODEV;

	for (size_t i = 0; i < n; i++) {
		struct mpio_queue *queue;

		if (!disk_open(&disk, boot, handles[i], way, ahead))
			continue;
		error = mpio_queue_open(&disk.device, &config, &queue);
		if (error) {
			disk_close(&disk);
		} else {
			error = ext_open(&volume, queue);
			if (!error)
				return 0;
			close_disk(queue);
		}
		if (error != -MPIO_EINVAL)
			worst = error;
	}
	return worst;
}

/* ---- The kernel --------------------------------------------------------- */

/* Its place: pages of the firmware's, as many as the file needs. */
static int make_place(struct efi_boot_services *boot, struct loader *loader)
{
	uint64_t size = file.mapping.size, address;

	loader->capacity =
		(size + EFI_PAGE_SIZE - 1) / EFI_PAGE_SIZE * EFI_PAGE_SIZE;
	if (boot->allocate_pages(EFI_ALLOCATE_ANY_PAGES, EFI_LOADER_DATA,
				 (size_t)(loader->capacity / EFI_PAGE_SIZE),
				 &address))
		return -MPIO_ENOMEM;
	loader->memory = (unsigned char *)address;
	return 0;
}

static void free_place(struct efi_boot_services *boot, struct loader *loader)
{
	if (loader->memory != NULL)
		boot->free_pages((uintptr_t)loader->memory,
				 (size_t)(loader->capacity / EFI_PAGE_SIZE));
}

static bool told(const char *what, int error)
{
	print(what);
	print(": ");
	print(mpio_strerror(error));
	print("\n");
	return false;
}

static bool read_rounds(struct loader *loader)
{
	bool well = true;

	for (uint32_t i = 0; well && i < options.rounds; i++) {
		well = measure_read(loader);
		if (well && options.compare)
			well = measure_others(loader, options.paged && i == 0);
	}
	return well;
}

static bool load(struct efi_boot_services *boot)
{
	struct loader loader = {
		.disk = &disk,
		.volume = &volume,
		.file = &file,
		.path = options.path,
		.window = {pages, batch, PAGES, PAGE_SIZE},
	};
	int error = open_volume(boot);
	bool well;

	if (error)
		return told("no volume", error);
	show_disk();
	error = ext_find(&volume, options.path, &file);
	if (!error)
		error = make_place(boot, &loader);
	well = error ? told(options.path, error) : read_rounds(&loader);
	close_disk(volume.queue);
	free_place(boot, &loader);
	return well;
}

efi_status efi_main(efi_handle image, struct efi_system_table *table);

efi_status efi_main(efi_handle image, struct efi_system_table *table)
{
	struct efi_boot_services *boot = table->boot;
	bool well;

	machine_init(table);
	boot->set_watchdog_timer(0, 0, 0, NULL);
	print("\nmpio-uefi\n");
	well = take_options(image, boot);
	if (!well)
		print("what are these options?\n");
	/* The firmware may have left disks that it did not boot from. */
	for (size_t i = find_handles(boot, EFI_ALL_HANDLES, NULL); i-- > 0;)
		boot->connect_controller(handles[i], NULL, NULL, true);
	well = well && load(boot);
	free_handles(boot);
	print(well ? "result: good\n" : "result: bad\n");
	if (options.qemu)
		machine_end(well, true);
	return well ? EFI_SUCCESS : EFI_DEVICE_ERROR;
}
