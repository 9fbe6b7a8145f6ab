/* SPDX-License-Identifier: MIT */
/*
 * Fault rules as text, read and written. What is written is read as the same
 * rule, and nothing is believed that cannot be read to its end.
 */
#include "fault_private.h"
#include "put.h"

#include <mpio/error.h>

/* ---- Words -------------------------------------------------------------- */

/* Arrays of characters, so that there is nothing to relocate. */
static const char event_names[][12] = {"read",    "write",  "flush",
				       "discard", "submit", "complete"};

#define EVENTS (sizeof(event_names) / sizeof(event_names[0]))

/* In the order of their bits. */
static const char action_names[][12] = {
	"errno",  "short", "torn",    "drop", "misdirect",
	"flip",   "delay", "reorder", "dup",  "never",
	"inline", "hold",  "cut",     "set",  "lose"};

#define ACTIONS (sizeof(action_names) / sizeof(action_names[0]))

/* Those of them that take a value. */
#define WITH_VALUE                                                             \
	(MPIO_FAULT_ERRNO | MPIO_FAULT_SHORT | MPIO_FAULT_TORN |               \
	 MPIO_FAULT_MISDIRECT | MPIO_FAULT_FLIP | MPIO_FAULT_DELAY |           \
	 MPIO_FAULT_SET)

enum condition { NTH, EVERY, PROBABILITY, RANGE, STATE, ONCE, STICKY };

static const char condition_names[][8] = {"nth",   "every", "p",     "range",
					  "state", "once",  "sticky"};

#define CONDITIONS (sizeof(condition_names) / sizeof(condition_names[0]))

static const struct {
	char name[14];
	uint8_t error;
} error_names[] = {
	{"EPERM", MPIO_EPERM},
	{"ENOENT", MPIO_ENOENT},
	{"EINTR", MPIO_EINTR},
	{"EIO", MPIO_EIO},
	{"ENXIO", MPIO_ENXIO},
	{"EBADF", MPIO_EBADF},
	{"EAGAIN", MPIO_EAGAIN},
	{"ENOMEM", MPIO_ENOMEM},
	{"EACCES", MPIO_EACCES},
	{"EBUSY", MPIO_EBUSY},
	{"EEXIST", MPIO_EEXIST},
	{"ENODEV", MPIO_ENODEV},
	{"ENOTDIR", MPIO_ENOTDIR},
	{"EISDIR", MPIO_EISDIR},
	{"EINVAL", MPIO_EINVAL},
	{"EMFILE", MPIO_EMFILE},
	{"EFBIG", MPIO_EFBIG},
	{"ENOSPC", MPIO_ENOSPC},
	{"EROFS", MPIO_EROFS},
	{"EPIPE", MPIO_EPIPE},
	{"ERANGE", MPIO_ERANGE},
	{"EDEADLK", MPIO_EDEADLK},
	{"ENAMETOOLONG", MPIO_ENAMETOOLONG},
	{"ENOSYS", MPIO_ENOSYS},
	{"ENODATA", MPIO_ENODATA},
	{"EPROTO", MPIO_EPROTO},
	{"EOVERFLOW", MPIO_EOVERFLOW},
	{"EILSEQ", MPIO_EILSEQ},
	{"EOPNOTSUPP", MPIO_EOPNOTSUPP},
	{"ETIMEDOUT", MPIO_ETIMEDOUT},
	{"ESTALE", MPIO_ESTALE},
	{"EUCLEAN", MPIO_EUCLEAN},
	{"EREMOTEIO", MPIO_EREMOTEIO},
	{"EDQUOT", MPIO_EDQUOT},
	{"ECANCELED", MPIO_ECANCELED},
};

#define ERRORS (sizeof(error_names) / sizeof(error_names[0]))

/* ---- Reading ------------------------------------------------------------ */

struct reader {
	const char *at;
	const char *why; /* it cannot be read; NULL: it can */
};

/* A piece of the text. */
struct word {
	const char *at;
	size_t length;
};

static bool ends_word(char c)
{
	return c == '\0' || c == ':' || c == ',' || c == '=' || c == '+';
}

static struct word peek(const struct reader *reader)
{
	struct word word = {.at = reader->at};

	while (!ends_word(word.at[word.length]))
		word.length++;
	return word;
}

static bool is_word(struct word word, const char *name)
{
	size_t i = 0;

	while (i < word.length && name[i] == word.at[i])
		i++;
	return i == word.length && name[i] == '\0';
}

static void refuse(struct reader *reader, const char *why)
{
	if (reader->why == NULL)
		reader->why = why;
}

static int digit(char c, uint32_t base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Digits; what stands behind them is left. */
static uint64_t read_digits(struct reader *reader)
{
	uint64_t number = 0;
	uint32_t base = 10;

	if (reader->at[0] == '0' && reader->at[1] == 'x') {
		base = 16;
		reader->at += 2;
	}
	if (digit(*reader->at, base) < 0)
		refuse(reader, "a number is missing");
	for (; digit(*reader->at, base) >= 0; reader->at++) {
		uint64_t more = (uint64_t)digit(*reader->at, base);
		uint64_t most = base == 16 ? UINT64_MAX / 16 : UINT64_MAX / 10;

		if (number > most || number * base > UINT64_MAX - more) {
			refuse(reader, "the number is too large");
			return 0;
		}
		number = number * base + more;
	}
	return number;
}

static uint64_t end_number(struct reader *reader, uint64_t number,
			   uint64_t most)
{
	if (!ends_word(*reader->at))
		refuse(reader, "this is not a number");
	else if (number > most)
		refuse(reader, "the number is too large");
	return number;
}

static uint64_t read_number(struct reader *reader, uint64_t most)
{
	return end_number(reader, read_digits(reader), most);
}

static uint64_t read_bytes(struct reader *reader, uint64_t most)
{
	static const char suffixes[] = "KMGT";
	uint64_t number = read_digits(reader);

	for (uint32_t i = 0; suffixes[i] != '\0'; i++) {
		uint32_t shift = 10 * (i + 1);

		if (*reader->at != suffixes[i])
			continue;
		reader->at++;
		if (number > UINT64_MAX >> shift)
			refuse(reader, "the number is too large");
		else
			number <<= shift;
		break;
	}
	return end_number(reader, number, most);
}

static uint64_t read_time(struct reader *reader)
{
	static const char units[][3] = {"ns", "us", "ms", "s"};
	static const uint32_t factors[] = {1, 1000, 1000000, 1000000000};
	const uint64_t most = UINT64_MAX >> 2;
	uint64_t number = read_digits(reader);
	struct word unit = peek(reader);

	for (unsigned i = 0; i < 4; i++) {
		uint64_t rest;

		if (!is_word(unit, units[i]))
			continue;
		reader->at += unit.length;
		if (number > mpio__divide(most, factors[i], &rest))
			refuse(reader, "the number is too large");
		else
			number *= factors[i];
		break;
	}
	return end_number(reader, number, most);
}

/* '1', or '0.' and up to nine digits. */
static uint32_t read_probability(struct reader *reader)
{
	uint32_t number = 0;
	uint32_t unit = 100000000;

	if (*reader->at != '0' && *reader->at != '1')
		refuse(reader, "a probability is a number from 0 to 1");
	else if (*reader->at++ == '1')
		number = 1000000000;
	if (*reader->at == '.') {
		reader->at++;
		for (; digit(*reader->at, 10) >= 0 && unit != 0; unit /= 10)
			number += (uint32_t)digit(*reader->at++, 10) * unit;
	}
	if (!ends_word(*reader->at))
		refuse(reader, "a probability has up to nine digits");
	else if (number == 0 || number > 1000000000)
		refuse(reader, "a probability is above 0 and up to 1");
	return number;
}

static int32_t read_errno(struct reader *reader)
{
	struct word word = peek(reader);

	for (unsigned i = 0; i < ERRORS; i++) {
		if (is_word(word, error_names[i].name)) {
			reader->at += word.length;
			return error_names[i].error;
		}
	}
	if (digit(*reader->at, 10) < 0) {
		refuse(reader, "there is no such errno");
		return 0;
	}
	return (int32_t)read_number(reader, 4095);
}

static void read_range(struct reader *reader, struct mpio_fault_rule *rule)
{
	rule->offset = read_bytes(reader, UINT64_MAX);
	if (reader->why == NULL && *reader->at != '+')
		refuse(reader, "a range is OFFSET+LENGTH");
	if (reader->why != NULL)
		return;
	reader->at++;
	rule->length = read_bytes(reader, UINT64_MAX - rule->offset);
	if (rule->length == 0)
		refuse(reader, "the range is empty");
}

static void read_condition(struct reader *reader, struct mpio_fault_rule *rule,
			   enum condition condition)
{
	switch (condition) {
	case NTH:
		rule->nth = read_number(reader, UINT64_MAX);
		break;
	case EVERY:
		rule->every = read_number(reader, UINT64_MAX >> 1);
		break;
	case PROBABILITY:
		rule->probability = read_probability(reader);
		break;
	case RANGE:
		read_range(reader, rule);
		return;
	case STATE:
		rule->state = (uint32_t)read_number(reader, UINT32_MAX);
		break;
	case ONCE:
		rule->flags |= MPIO_FAULT_ONCE;
		return;
	case STICKY:
		rule->flags |= MPIO_FAULT_STICKY;
		return;
	}
	if ((condition == NTH && rule->nth == 0) ||
	    (condition == EVERY && rule->every == 0) ||
	    (condition == STATE && rule->state == 0))
		refuse(reader, "this counts from 1");
}

static void read_action(struct reader *reader, struct mpio_fault_rule *rule,
			uint32_t action)
{
	rule->actions |= action;
	switch (action) {
	case MPIO_FAULT_ERRNO:
		rule->error = read_errno(reader);
		break;
	case MPIO_FAULT_SHORT:
		rule->short_by = (uint32_t)read_bytes(reader, UINT32_MAX);
		break;
	case MPIO_FAULT_TORN:
		rule->sectors = read_number(reader, UINT64_MAX);
		break;
	case MPIO_FAULT_MISDIRECT:
		rule->shift = read_bytes(reader, UINT64_MAX >> 2);
		break;
	case MPIO_FAULT_FLIP:
		rule->bit = (uint32_t)read_number(reader, UINT32_MAX);
		break;
	case MPIO_FAULT_DELAY:
		rule->delay = read_time(reader);
		break;
	case MPIO_FAULT_SET:
		rule->next_state = (uint32_t)read_number(reader, UINT32_MAX);
		break;
	default:
		break;
	}
}

/* The value of a field, if it takes one. */
static void pass_equals(struct reader *reader, struct word word, bool has_value)
{
	reader->at += word.length;
	if (has_value && *reader->at != '=')
		refuse(reader, "a value is missing");
	else if (!has_value && *reader->at == '=')
		refuse(reader, "this takes no value");
	else if (has_value)
		reader->at++;
}

/*
 * A field, if there is one; false, and nothing taken: no such word. Behind an
 * action, 'delay:' is no field either but the name of a filter.
 */
static bool read_field(struct reader *reader, struct mpio_fault_rule *rule)
{
	struct word word = peek(reader);

	for (unsigned i = 0; i < CONDITIONS; i++) {
		if (!is_word(word, condition_names[i]))
			continue;
		pass_equals(reader, word, i != ONCE && i != STICKY);
		if (reader->why == NULL)
			read_condition(reader, rule, (enum condition)i);
		return true;
	}
	for (unsigned i = 0; i < ACTIONS; i++) {
		if (!is_word(word, action_names[i]))
			continue;
		if (1u << i == MPIO_FAULT_DELAY && rule->actions != 0 &&
		    word.at[word.length] == ':')
			return false;
		pass_equals(reader, word, (WITH_VALUE >> i & 1) != 0);
		if (reader->why == NULL)
			read_action(reader, rule, 1u << i);
		return true;
	}
	return false;
}

static void read_event(struct reader *reader, struct mpio_fault_rule *rule)
{
	struct word word = peek(reader);

	for (uint32_t i = 0; i < EVENTS; i++) {
		if (is_word(word, event_names[i])) {
			rule->event = i;
			reader->at += word.length;
			return;
		}
	}
	refuse(reader, "a rule begins with an event: read, write, flush, "
		       "discard, submit or complete");
}

/* Why a rule that was read cannot be. */
static void check(struct reader *reader, const struct mpio_fault_rule *rule)
{
	if (reader->why != NULL)
		return;
	if (rule->actions == 0)
		refuse(reader, "the rule has no action");
	else if (rule->flags == (MPIO_FAULT_ONCE | MPIO_FAULT_STICKY))
		refuse(reader, "once and sticky exclude each other");
	else if (!mpio__fault_is_sound(rule))
		refuse(reader, "this event has no such action, or a number is "
			       "out of range");
}

/* A rule, up to a ',' or what belongs to none. */
static void read_rule(struct reader *reader, struct mpio_fault_rule *rule)
{
	*rule = (struct mpio_fault_rule){0};
	read_event(reader, rule);
	while (reader->why == NULL && *reader->at == ':') {
		reader->at++;
		if (read_field(reader, rule))
			continue;
		if (rule->actions == 0)
			refuse(reader, "there is no such field");
		else
			reader->at--;
		break;
	}
	check(reader, rule);
}

int mpio__faults_parse_some(struct mpio_faults *faults, const char *text,
			    const char **rest, struct mpio_fault_error *error)
{
	struct reader reader = {.at = text};
	uint32_t count = faults->count;

	for (;;) {
		if (count == MPIO_FAULT_RULES_MAX) {
			*error = (struct mpio_fault_error){
				.at = (size_t)(reader.at - text),
				.why = "too many rules"};
			return -MPIO_ENOSPC;
		}
		read_rule(&reader, &faults->rules[count]);
		if (reader.why != NULL)
			break;
		count++;
		if (*reader.at != ',')
			break;
		reader.at++;
	}
	*rest = reader.at;
	error->at = (size_t)(reader.at - text);
	error->why = reader.why;
	if (reader.why != NULL)
		return -MPIO_EINVAL;
	faults->count = count;
	return 0;
}

int mpio_faults_parse(struct mpio_faults *faults, const char *text,
		      struct mpio_fault_error *error)
{
	struct mpio_fault_error own;
	uint32_t count = faults->count;
	const char *rest;
	int result = mpio__faults_parse_some(faults, text, &rest, &own);

	if (result == 0 && *rest != '\0') {
		faults->count = count;
		own.at += *rest == ':';
		own.why = "there is no such field, or its value is missing";
		result = -MPIO_EINVAL;
	}
	if (result != 0 && error != NULL)
		*error = own;
	return result;
}

/* ---- Writing ------------------------------------------------------------ */

static void put_field(struct mpio__put *put, const char *name, uint64_t number)
{
	mpio__put_text(put, ":");
	mpio__put_text(put, name);
	mpio__put_text(put, "=");
	mpio__put_number(put, number);
}

/* 250000000 is 0.25. */
static void put_probability(struct mpio__put *put, uint32_t number)
{
	char digits[] = "0.000000000";

	for (unsigned i = 10; i > 1; i--, number /= 10)
		digits[i] = (char)('0' + number % 10);
	digits[0] = (char)('0' + number);
	for (unsigned i = 10; i > 2 && digits[i] == '0'; i--)
		digits[i] = '\0';
	mpio__put_text(put, ":p=");
	mpio__put_text(put, digits);
}

static void put_conditions(struct mpio__put *put,
			   const struct mpio_fault_rule *rule)
{
	if (rule->state != 0)
		put_field(put, "state", rule->state);
	if (rule->length != 0) {
		put_field(put, "range", rule->offset);
		mpio__put_text(put, "+");
		mpio__put_number(put, rule->length);
	}
	if (rule->nth != 0)
		put_field(put, "nth", rule->nth);
	if (rule->every != 0)
		put_field(put, "every", rule->every);
	if (rule->probability != 0)
		put_probability(put, rule->probability);
}

static void put_errno(struct mpio__put *put, int32_t error)
{
	for (unsigned i = 0; i < ERRORS; i++) {
		if (error_names[i].error == error) {
			mpio__put_text(put, ":errno=");
			mpio__put_text(put, error_names[i].name);
			return;
		}
	}
	put_field(put, "errno", (uint64_t)error);
}

static void put_action(struct mpio__put *put,
		       const struct mpio_fault_rule *rule, unsigned i)
{
	const char *name = action_names[i];

	switch (1u << i) {
	case MPIO_FAULT_ERRNO:
		put_errno(put, rule->error);
		break;
	case MPIO_FAULT_SHORT:
		put_field(put, name, rule->short_by);
		break;
	case MPIO_FAULT_TORN:
		mpio__put_text(put, ":torn=");
		mpio__put_hex(put, rule->sectors);
		break;
	case MPIO_FAULT_MISDIRECT:
		put_field(put, name, rule->shift);
		break;
	case MPIO_FAULT_FLIP:
		put_field(put, name, rule->bit);
		break;
	case MPIO_FAULT_DELAY:
		put_field(put, name, rule->delay);
		break;
	case MPIO_FAULT_SET:
		put_field(put, name, rule->next_state);
		break;
	default:
		mpio__put_text(put, ":");
		mpio__put_text(put, name);
	}
}

void mpio__put_actions(struct mpio__put *put, uint32_t actions)
{
	for (unsigned i = 0; i < ACTIONS; i++) {
		if ((actions >> i & 1) == 0)
			continue;
		mpio__put_text(put, " ");
		mpio__put_text(put, action_names[i]);
	}
}

size_t mpio_faults_print(const struct mpio_faults *faults, char *text,
			 size_t size)
{
	struct mpio__put put = {.at = text, .size = size};

	mpio__put_text(&put, "");
	for (uint32_t i = 0; i < faults->count; i++) {
		const struct mpio_fault_rule *rule = &faults->rules[i];

		mpio__put_text(&put, i == 0 ? "" : ",");
		mpio__put_text(&put, rule->event < EVENTS
					     ? event_names[rule->event]
					     : "?");
		put_conditions(&put, rule);
		for (unsigned j = 0; j < ACTIONS; j++) {
			if ((rule->actions >> j & 1) != 0)
				put_action(&put, rule, j);
		}
		if ((rule->flags & MPIO_FAULT_ONCE) != 0)
			mpio__put_text(&put, ":once");
		if ((rule->flags & MPIO_FAULT_STICKY) != 0)
			mpio__put_text(&put, ":sticky");
	}
	return put.length;
}
