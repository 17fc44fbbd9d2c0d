#include "services/engine/marks.h"

#include "services/engine/objects.h"

static uint64_t marks[MARKS];

static const char *const names[MARKS] = {
    [MARK_READY] = "mark.ready",     [MARK_CREATE] = "mark.create",
    [MARK_CREATED] = "mark.created", [MARK_START] = "mark.start",
    [MARK_RUNNING] = "mark.running", [MARK_LAUNCHED] = "mark.launched",
    [MARK_ENDED] = "mark.ended",     [MARK_RELEASED] = "mark.released",
};

void mark_set(enum mark mark)
{
    marks[mark] = objects_tsc();
}

uint64_t mark_get(enum mark mark)
{
    return marks[mark];
}

const char *mark_name(enum mark mark)
{
    return names[mark];
}
