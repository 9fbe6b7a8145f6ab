/* SPDX-License-Identifier: MIT */
/*
 * Injecting faults, and telling where it was when something went wrong. The
 * text of what is being tried is kept ready, so that the watchdog's signal
 * handler has only to write it.
 */
#define _XOPEN_SOURCE 700
#include "inject.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

static char trying[200] = "nothing yet";

const struct fault *inject(struct injector *injector, enum site site)
{
	const struct fault *fault = injector->fault;

	if (fault == NULL || fault->site != site)
		return NULL;
	injector->seen++;
	if (injector->seen != injector->n &&
	    !(fault->sticky && injector->seen > injector->n))
		return NULL;
	injector->fired++;
	return fault;
}

void now_trying(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(trying, sizeof(trying), format, arguments);
	va_end(arguments);
}

_Noreturn void check_failed(const char *condition, const char *file, int line)
{
	print_error("%s:%d: not so: %s\n  while trying: %s\n", file, line,
		    condition, trying);
	_fail(file, line);
	abort();
}

static void time_is_up(int signal_number)
{
	static const char message[] = "no end in sight while trying: ";
	ssize_t written;

	(void)signal_number;
	written = write(STDERR_FILENO, message, sizeof(message) - 1);
	if (written > 0)
		written = write(STDERR_FILENO, trying, strlen(trying));
	if (written > 0)
		written = write(STDERR_FILENO, "\n", 1);
	_exit(1);
}

void watchdog(unsigned int seconds)
{
	const struct itimerval limit = {.it_value.tv_sec = (time_t)seconds};

	/* Of the processor's time: others may keep it busy. */
	signal(SIGPROF, time_is_up);
	setitimer(ITIMER_PROF, &limit, NULL);
	signal(SIGALRM, time_is_up);
	alarm(4 * seconds);
}
