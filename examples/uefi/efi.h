/* SPDX-License-Identifier: MIT */
/*
 * As much of UEFI as is used here, as the UEFI Specification 2.10 lays it out.
 * What is only passed over is a pointer without a type.
 */
#ifndef EFI_H
#define EFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The compiler's target, *-unknown-windows, has UEFI's calling convention. */

typedef size_t efi_status;
typedef void *efi_handle;
typedef void *efi_event;

#define EFI_ERROR(n) (~(SIZE_MAX >> 1) | (n))
#define EFI_SUCCESS 0u
#define EFI_INVALID_PARAMETER EFI_ERROR(2)
#define EFI_BAD_BUFFER_SIZE EFI_ERROR(4)
#define EFI_BUFFER_TOO_SMALL EFI_ERROR(5)
#define EFI_NOT_READY EFI_ERROR(6)
#define EFI_DEVICE_ERROR EFI_ERROR(7)
#define EFI_OUT_OF_RESOURCES EFI_ERROR(9)
#define EFI_NO_MEDIA EFI_ERROR(12)
#define EFI_MEDIA_CHANGED EFI_ERROR(13)
#define EFI_NOT_FOUND EFI_ERROR(14)
#define EFI_TIMEOUT EFI_ERROR(18)

struct efi_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

#define EFI_LOADED_IMAGE_GUID                                                  \
	{                                                                      \
		0x5b1b31a1, 0x9562, 0x11d2,                                    \
		{                                                              \
			0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b         \
		}                                                              \
	}
#define EFI_BLOCK_IO_GUID                                                      \
	{                                                                      \
		0x964e5b21, 0x6459, 0x11d2,                                    \
		{                                                              \
			0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b         \
		}                                                              \
	}
#define EFI_BLOCK_IO2_GUID                                                     \
	{                                                                      \
		0xa77b2472, 0xe282, 0x4e9f,                                    \
		{                                                              \
			0xa2, 0x45, 0xc2, 0xc0, 0xe2, 0x7b, 0xbc, 0xc1         \
		}                                                              \
	}

#define EFI_DEVICE_PATH_GUID                                                   \
	{                                                                      \
		0x09576e91, 0x6d3f, 0x11d2,                                    \
		{                                                              \
			0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b         \
		}                                                              \
	}

#define EFI_PATH_MESSAGING 3
#define EFI_PATH_SATA 0x12
#define EFI_PATH_NVME 0x17
#define EFI_PATH_END 0x7f

/* A step from the machine to a device; the next one follows. */
struct efi_device_path {
	uint8_t type, subtype;
	uint8_t length[2]; /* bytes, the lower first */
};

struct efi_table_header {
	uint64_t signature;
	uint32_t revision, size, crc, reserved;
};

struct efi_text_output {
	void *reset;
	efi_status (*output_string)(struct efi_text_output *, uint16_t *text);
};

#define EFI_RESET_SHUTDOWN 2

struct efi_runtime_services {
	struct efi_table_header header;
	void *time[4]; /* GetTime and what follows it */
	void *virtual_address[2];
	void *variable[3];
	void *next_high_monotonic_count;
	void (*reset_system)(int type, efi_status status, size_t size,
			     void *data);
};

#define EFI_ALLOCATE_ANY_PAGES 0
#define EFI_LOADER_DATA 2
#define EFI_PAGE_SIZE 4096u
#define EFI_ALL_HANDLES 0
#define EFI_BY_PROTOCOL 2
#define EFI_TPL_CALLBACK 8

struct efi_boot_services {
	struct efi_table_header header;
	void *priority[2];
	efi_status (*allocate_pages)(int type, int memory, size_t pages,
				     uint64_t *address);
	efi_status (*free_pages)(uint64_t address, size_t pages);
	void *memory_map;
	void *pool[2];
	efi_status (*create_event)(uint32_t type, size_t priority, void *notify,
				   void *context, efi_event *event);
	void *set_timer;
	efi_status (*wait_for_event)(size_t count, efi_event *events,
				     size_t *index);
	void *signal_event;
	efi_status (*close_event)(efi_event event);
	efi_status (*check_event)(efi_event event);
	void *install_protocol[3];
	efi_status (*handle_protocol)(efi_handle handle,
				      const struct efi_guid *protocol,
				      void **interface);
	void *reserved;
	void *register_protocol_notify;
	efi_status (*locate_handle)(int type, const struct efi_guid *protocol,
				    void *key, size_t *size,
				    efi_handle *handles);
	void *locate_device_path;
	void *install_configuration_table;
	void *image[4];
	void *exit_boot_services;
	void *next_monotonic_count;
	efi_status (*stall)(size_t microseconds);
	efi_status (*set_watchdog_timer)(size_t seconds, uint64_t code,
					 size_t size, uint16_t *data);
	efi_status (*connect_controller)(efi_handle controller,
					 efi_handle *drivers, void *path,
					 uint8_t recursive);
};

struct efi_system_table {
	struct efi_table_header header;
	uint16_t *vendor;
	uint32_t revision;
	efi_handle input_handle;
	void *input;
	efi_handle output_handle;
	struct efi_text_output *output;
	efi_handle error_handle;
	struct efi_text_output *error;
	struct efi_runtime_services *runtime;
	struct efi_boot_services *boot;
};

struct efi_loaded_image {
	uint32_t revision;
	efi_handle parent;
	struct efi_system_table *table;
	efi_handle device;
	void *path;
	void *reserved;
	uint32_t options_size; /* bytes */
	uint16_t *options;
};

struct efi_block_media {
	uint32_t id;
	uint8_t removable, present, partition, read_only, caching;
	uint32_t block_size;
	uint32_t alignment; /* of memory, bytes; 0, 1: any */
	uint64_t last_block;
};

struct efi_block_io {
	uint64_t revision;
	struct efi_block_media *media;
	void *reset;
	efi_status (*read)(struct efi_block_io *, uint32_t media, uint64_t lba,
			   size_t size, void *buffer);
};

struct efi_block_token {
	efi_event event; /* NULL: the call waits */
	efi_status status;
};

struct efi_block_io2 {
	struct efi_block_media *media;
	void *reset;
	efi_status (*read)(struct efi_block_io2 *, uint32_t media, uint64_t lba,
			   struct efi_block_token *token, size_t size,
			   void *buffer);
};

#endif
