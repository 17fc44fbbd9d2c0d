/* The table's lock is held for the search only; an entry never changes once it is in use. */
#include "linux/core/missing.h"

#include "abi/container.h"
#include "abi/container.idl.h"
#include "lib/base/format.h"
#include "linux/core/console.h"
#include "linux/core/lock.h"

#define NAME_BYTES 64

static struct {
    struct mutex lock;
    uint32_t used;
    struct missing {
        enum missing_kind kind;
        uint32_t number;
    } entry[CHANNEL_MISSING];
} table SELDOM_WRITTEN;

static const char *const call_names[] = {
#include "linux/call_names.def"
};

/*
 * Calls that programs try and do well without. rseq (334): glibc registers it in every thread and
 * uses it, if at all, to ask less often for the CPU.
 */
static bool is_optional(enum missing_kind kind, uint32_t number)
{
    return kind == MISSING_CALL && number == 334;
}

static size_t call_name(uint32_t number, char *name)
{
    const char *known = number < ARRAY_LENGTH(call_names) ? call_names[number] : NULL;
    return known != NULL ? format_text(name, NAME_BYTES, "%s", known)
                         : format_text(name, NAME_BYTES, "system call %u", number);
}

static size_t name_of(enum missing_kind kind, uint32_t number, char *name)
{
    switch (kind) {
    case MISSING_CALL:
        return call_name(number, name);
    case MISSING_PRCTL:
        return format_text(name, NAME_BYTES, "prctl option %u", number);
    case MISSING_SET_OPTION:
        return format_text(name, NAME_BYTES, "setsockopt level %u option %u", number >> 16,
                           number & 0xffff);
    case MISSING_GET_OPTION:
        return format_text(name, NAME_BYTES, "getsockopt level %u option %u", number >> 16,
                           number & 0xffff);
    }
    return 0;
}

/* Where it is in the table, CHANNEL_MISSING: nowhere; *first: since now. */
static uint32_t counter_of(enum missing_kind kind, uint32_t number, bool *first)
{
    uint32_t index = 0;
    mutex_lock(&table.lock);
    while (index < table.used &&
           (table.entry[index].kind != kind || table.entry[index].number != number)) {
        index++;
    }
    *first = index == table.used && index < CHANNEL_MISSING;
    if (*first) {
        table.entry[index] = (struct missing){kind, number};
        table.used++;
    }
    mutex_unlock(&table.lock);
    return index;
}

void missing_count(enum missing_kind kind, uint32_t number)
{
    bool first;
    if (is_optional(kind, number)) {
        return;
    }
    uint32_t counter = counter_of(kind, number, &first);
    if (counter == CHANNEL_MISSING) {
        return;
    }
    console_count_missing(counter);
    if (first) {
        char name[NAME_BYTES];
        size_t length = name_of(kind, number, name);
        status_t ignored =
            container_missing(CONTAINER_SLOT_ENGINE, counter, name, (uint32_t)length);
        (void)ignored; /* then it is counted without a name, and not shown */
    }
}
