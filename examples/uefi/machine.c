/* SPDX-License-Identifier: MIT */
#include "machine.h"

static struct efi_system_table *system_table;
static uint64_t ticks_per_second;

#ifdef __x86_64__

uint64_t machine_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static uint64_t measure_frequency(void)
{
	uint64_t before = machine_ticks();

	system_table->boot->stall(100000);
	return (machine_ticks() - before) * 10;
}

/* QEMU ends with twice the value, and one. */
static void end_qemu(bool well)
{
	uint32_t value = well ? 16 : 17;

	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)0xf4));
}

#else

uint64_t machine_ticks(void)
{
	uint64_t ticks;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
}

static uint64_t measure_frequency(void)
{
	uint64_t frequency;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
	return frequency;
}

/* The semihosting call SYS_EXIT: the application ends, with this status. */
static void end_qemu(bool well)
{
	static uint64_t block[2];
	register uint64_t call __asm__("x0") = 0x18;
	register uint64_t *argument __asm__("x1") = block;

	block[0] = 0x20026;
	block[1] = well ? 33 : 35;
	__asm__ volatile("hlt #0xf000" : "+r"(call) : "r"(argument) : "memory");
}

#endif

void machine_init(struct efi_system_table *table)
{
	system_table = table;
	ticks_per_second = measure_frequency();
}

_Noreturn void machine_end(bool well, bool qemu)
{
	if (qemu)
		end_qemu(well);
	system_table->runtime->reset_system(
		EFI_RESET_SHUTDOWN, well ? EFI_SUCCESS : EFI_DEVICE_ERROR, 0,
		NULL);
	for (;;)
		;
}

void print(const char *text)
{
	struct efi_text_output *output = system_table->output;
	uint16_t line[64];
	uint32_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			line[n++] = '\r';
		line[n++] = (unsigned char)*text;
		if (n + 3 > sizeof(line) / sizeof(line[0]) || text[1] == '\0') {
			line[n] = 0;
			output->output_string(output, line);
			n = 0;
		}
	}
}

static void print_digits(uint64_t number, uint32_t base, uint32_t digits)
{
	char text[24];
	uint32_t at = sizeof(text) - 1;

	text[at] = '\0';
	do {
		text[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number != 0 || sizeof(text) - 1 - at < digits);
	print(text + at);
}

void print_number(uint64_t number)
{
	print_digits(number, 10, 1);
}

void print_hex(uint32_t number)
{
	print_digits(number, 16, 8);
}

void print_seconds(uint64_t ticks)
{
	uint64_t rest = ticks % ticks_per_second;

	print_number(ticks / ticks_per_second);
	print(".");
	/* Frequencies are below 2^34: a million of them do not wrap. */
	print_digits(rest * 1000000 / ticks_per_second, 10, 6);
}
