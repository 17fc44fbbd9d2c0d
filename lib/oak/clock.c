/* The clock of a program: the time page is mapped when it is first read. */
#include "lib/oak/clock.h"

#include "lib/oak/log.h"
#include "lib/oak/window.h"

static const volatile struct time_page *time_page;

static struct clock_reading read_mapped(void)
{
    if (time_page == NULL) {
        const void *page;
        status_t status = window_map_source(SLOT_TIME, 0, PAGE_SIZE, &page);
        if (status != STATUS_OK) {
            log_panic("cannot map the time page: %s", status_name(status));
        }
        time_page = page;
    }
    return clock_read(time_page);
}

uint64_t clock_now_ns(void)
{
    return read_mapped().monotonic_ns;
}

uint64_t clock_wall_ns(void)
{
    return read_mapped().wall_ns;
}
