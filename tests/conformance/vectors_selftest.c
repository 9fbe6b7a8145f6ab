/* SPDX-License-Identifier: MIT */
/*
 * Shows that the checks can fail: a result that passes is broken in each way
 * that applies to it, a few places each, and the rule that it then breaks must
 * say so. A way that never applied, in all the files given, has shown nothing
 * and counts as a failure too.
 */
#include "vectors_selftest.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 2 };

static void try_way(const struct vectors_scenario *s,
		    const struct vectors_plan *plan,
		    const struct vectors_result *r, struct vectors_way *way,
		    size_t n, bool *applied)
{
	struct vectors_trial t = {.s = *s, .plan = plan};
	size_t size = s->page_count * sizeof(*s->expect.pages);
	struct vectors_verdict verdict;

	vectors_result_copy(s, r, &t.r);
	t.s.expect.pages =
		vectors_alloc(s->page_count + 1, sizeof(*s->expect.pages));
	if (s->expect.given && size)
		memcpy(t.s.expect.pages, s->expect.pages, size);
	*applied = way->apply(&t, n);
	if (*applied) {
		vectors_check(&t.s, plan, &t.r, &verdict);
		way->tried++;
		if (!(verdict.rules & 1u << way->rule)) {
			way->missed++;
			fprintf(stderr, "%s:%u: %s: '%s' (%zu) is not found\n",
				s->file, s->line, s->name, way->name, n);
		}
	}
	free(t.s.expect.pages);
	vectors_result_free(&t.r);
}

static void try_ways(const struct vectors_scenario *s,
		     const struct vectors_plan *plan,
		     const struct vectors_result *r, struct vectors_way *ways,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool applied = true;

		for (size_t n = 0; applied && n < PLACES; n++)
			try_way(s, plan, r, &ways[i], n, &applied);
	}
}

void vectors_selftest(const struct vectors_scenario *s,
		      const struct vectors_plan *plan,
		      const struct vectors_result *r)
{
	try_ways(s, plan, r, vectors_event_ways, vectors_event_way_count);
	try_ways(s, plan, r, vectors_state_ways, vectors_state_way_count);
}

static bool report(const struct vectors_way *ways, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count; i++) {
		printf("%6lu of %6lu found: %s\n",
		       ways[i].tried - ways[i].missed, ways[i].tried,
		       ways[i].name);
		if (ways[i].tried == 0 || ways[i].missed)
			ok = false;
	}
	return ok;
}

bool vectors_selftest_report(void)
{
	bool ok = report(vectors_event_ways, vectors_event_way_count);

	ok &= report(vectors_state_ways, vectors_state_way_count);
	printf(ok ? "every broken result was found\n"
		  : "not every broken result was found, or one never came "
		    "up\n");
	return ok;
}
