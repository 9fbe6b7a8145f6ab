/* SPDX-License-Identifier: MIT */
/*
 * Machine: what differs from one to the other, and the console.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "efi.h"

/* Before anything else. */
void machine_init(struct efi_system_table *table);

/* Print on the firmware's console: text, then any of the others. */
void print(const char *text);
void print_number(uint64_t number);
void print_hex(uint32_t number);
/* So many ticks, as seconds with six decimals. */
void print_seconds(uint64_t ticks);

/* A clock that never stands still. */
uint64_t machine_ticks(void);

/*
 * Shut the machine down. With `qemu` it is a virtual one of QEMU's, which ends
 * with status 33 if all is well, else 35; it has to have the device
 * isa-debug-exit at port 0xf4, or semihosting.
 */
_Noreturn void machine_end(bool well, bool qemu);

#endif
