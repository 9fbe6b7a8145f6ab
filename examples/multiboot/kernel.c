/* SPDX-License-Identifier: MIT */
/*
 * A bare 32-bit kernel: no firmware, no system, no memory but its own. It has
 * a device for libmpio over the oldest disks of PCs, ATA by programmed I/O, and
 * reads a file from the ext2 or ext4 volume on it with the boot loader's reader
 * (examples/uefi/ext). The command line names the file.
 *
 * It ends a machine of QEMU's, through the device isa-debug-exit, with status
 * 33 if all was well, else 35.
 */
#include "ext/ext.h"

#define FILE_MAX (32u << 20)
#define PAGE_SIZE (64u * 1024u)
#define PAGES (FILE_MAX / PAGE_SIZE)
#define QUEUE_SIZE (96u * 1024u)

void kernel_main(uint32_t magic, const uint32_t *info);

/* ---- The machine -------------------------------------------------------- */

/* What a boot loader looks for, and where it goes: a stack, and into C. */
__asm__(".section .multiboot, \"a\"\n"
	".align 4\n"
	".long 0x1badb002, 0, -0x1badb002\n"
	".text\n"
	".globl _start\n"
	"_start:\n"
	"	mov $stack_top, %esp\n"
	"	push %ebx\n"
	"	push %eax\n"
	"	call kernel_main\n"
	".section .bss\n"
	".align 16\n"
	".skip 32768\n"
	"stack_top:\n"
	".text\n");

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void in16s(uint16_t port, void *memory, uint32_t count)
{
	__asm__ volatile("rep insw"
			 : "+D"(memory), "+c"(count)
			 : "d"(port)
			 : "memory");
}

static _Noreturn void end(bool well)
{
	uint32_t value = well ? 16 : 17; /* twice that and one */

	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)0xf4));
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- The console: a serial port ----------------------------------------- */

static void print(const char *text)
{
	for (; *text != '\0'; text++) {
		while (!(in8(0x3fd) & 0x20))
			;
		out8(0x3f8, (uint8_t)*text);
	}
}

static void print_number(uint32_t number, uint32_t base, uint32_t digits)
{
	char text[12];
	uint32_t at = sizeof(text) - 1, length = 0;

	text[at] = '\0';
	for (; number != 0 || length < digits; length++) {
		text[--at] = "0123456789abcdef"[number % base];
		number /= base;
	}
	print(text + at);
}

/* ---- The disk: the first of the first channel --------------------------- */

#define ATA 0x1f0u
#define ATA_COUNT (ATA + 2)
#define ATA_LBA (ATA + 3)
#define ATA_DRIVE (ATA + 6)
#define ATA_COMMAND (ATA + 7) /* read: its status */
#define ATA_CONTROL 0x3f6u
#define ATA_BUSY 0x80u
#define ATA_READY 0x08u /* to give its bytes */
#define ATA_FAILED 0x21u
#define ATA_READ 0x20u
#define ATA_IDENTIFY 0xecu
#define ATA_SECTORS_MAX 256u
#define SECTOR 512u
#define PATIENCE 100000000u

static uint32_t commands;

static bool ata_wait(void)
{
	uint8_t status = ATA_BUSY;

	/* The status holds 400 ns after a command, or after a sector. */
	for (int i = 0; i < 4; i++)
		in8(ATA_CONTROL);
	for (uint32_t i = 0; i < PATIENCE && status & ATA_BUSY; i++)
		status = in8(ATA_COMMAND);
	return !(status & (ATA_BUSY | ATA_FAILED)) && status & ATA_READY;
}

static void ata_command(uint8_t command, uint32_t lba, uint32_t sectors)
{
	out8(ATA_DRIVE, (uint8_t)(0xe0 | lba >> 24));
	out8(ATA_COUNT, (uint8_t)sectors); /* 0: 256 */
	out8(ATA_LBA, (uint8_t)lba);
	out8(ATA_LBA + 1, (uint8_t)(lba >> 8));
	out8(ATA_LBA + 2, (uint8_t)(lba >> 16));
	out8(ATA_COMMAND, command);
	commands++;
}

static int ata_submit(struct mpio_device *device, void *channel,
		      struct mpio_bio *bio)
{
	unsigned char *to = bio->vecs->base;
	uint32_t sectors = bio->length / SECTOR;

	(void)device;
	(void)channel;
	ata_command(ATA_READ, (uint32_t)(bio->offset / SECTOR), sectors);
	for (; sectors > 0; sectors--) {
		if (!ata_wait()) {
			mpio_bio_end(bio, -MPIO_EIO);
			return 0;
		}
		in16s(ATA, to, SECTOR / 2);
		to += SECTOR;
	}
	mpio_bio_end(bio, 0);
	return 0;
}

static bool ata_open(struct mpio_device *device)
{
	static uint16_t identity[SECTOR / 2];

	ata_command(ATA_IDENTIFY, 0, 0);
	if (in8(ATA_COMMAND) == 0 || !ata_wait())
		return false;
	in16s(ATA, identity, SECTOR / 2);
	*device = (struct mpio_device){
		.ops = {.submit = ata_submit},
		.limits = {.segments_max = 1,
			   .bytes_max = ATA_SECTORS_MAX * SECTOR,
			   .features = MPIO_DEVICE_READONLY},
		.size = (identity[60] | (uint64_t)identity[61] << 16) * SECTOR,
	};
	return device->size > 0;
}

/* ---- The file ----------------------------------------------------------- */

static struct mpio_device disk;
static struct ext_volume volume;
static struct ext_file file;
static struct mpio_page pages[PAGES];
static struct mpio_page *batch[PAGES];
static _Alignas(16) unsigned char queue_memory[QUEUE_SIZE];
static _Alignas(4096) unsigned char memory[FILE_MAX];

static uint32_t crc_of(const unsigned char *bytes, uint32_t size)
{
	uint32_t crc = ~0u;

	while (size-- > 0) {
		crc ^= *bytes++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static int read_file(const char *path)
{
	static const struct mpio_queue_config config = {
		.bios = 4,
		.segments_max = 1,
		.pages_max = 128,
		.walk_pages = 1,
		.memory = queue_memory,
		.memory_size = sizeof(queue_memory),
	};
	const struct ext_window window = {pages, batch, PAGES, PAGE_SIZE};
	struct mpio_queue *queue;
	int error;

	if (!ata_open(&disk))
		return -MPIO_ENODEV;
	error = mpio_queue_open(&disk, &config, &queue);
	if (!error)
		error = ext_open(&volume, queue);
	if (!error)
		error = ext_find(&volume, path, &file);
	if (!error && file.mapping.size > FILE_MAX)
		error = -MPIO_EFBIG;
	commands = 0;
	if (!error)
		error = ext_read(&file, &window, 0, memory, file.mapping.size);
	return error;
}

/* The path is the last word of the command line, if that has two. */
static const char *path_of(uint32_t magic, const uint32_t *info)
{
	const char *text, *path = "/boot/kernel";

	if (magic != 0x2badb002 || !(info[0] & 4))
		return path;
	for (text = (const char *)info[4]; *text != '\0'; text++)
		if (*text == ' ')
			path = text + 1;
	return path;
}

void kernel_main(uint32_t magic, const uint32_t *info)
{
	const char *path = path_of(magic, info);
	int error = read_file(path);

	print(path);
	print(": ");
	if (error) {
		print(mpio_strerror(error));
		print("\nresult: bad\n");
		end(false);
	}
	print_number((uint32_t)file.mapping.size, 10, 1);
	print(" bytes, crc ");
	print_number(crc_of(memory, (uint32_t)file.mapping.size), 16, 8);
	print(", ");
	print_number(commands, 10, 1);
	print(" commands\nresult: good\n");
	end(true);
}
