#include "host/cli/signals.h"

#include <string.h>
#include <strings.h>

#define REALTIME_FIRST 34
#define REALTIME_LAST  64

static const char *const names[] = {
    [1] = "SIGHUP",     [2] = "SIGINT",   [3] = "SIGQUIT",   [4] = "SIGILL",   [5] = "SIGTRAP",
    [6] = "SIGABRT",    [7] = "SIGBUS",   [8] = "SIGFPE",    [9] = "SIGKILL",  [10] = "SIGUSR1",
    [11] = "SIGSEGV",   [12] = "SIGUSR2", [13] = "SIGPIPE",  [14] = "SIGALRM", [15] = "SIGTERM",
    [16] = "SIGSTKFLT", [17] = "SIGCHLD", [18] = "SIGCONT",  [19] = "SIGSTOP", [20] = "SIGTSTP",
    [21] = "SIGTTIN",   [22] = "SIGTTOU", [23] = "SIGURG",   [24] = "SIGXCPU", [25] = "SIGXFSZ",
    [26] = "SIGVTALRM", [27] = "SIGPROF", [28] = "SIGWINCH", [29] = "SIGIO",   [30] = "SIGPWR",
    [31] = "SIGSYS",
};

/* RTMIN, RTMIN+n, RTMAX, RTMAX-n; 0 otherwise. */
static uint32_t realtime_parse(const char *name)
{
    uint64_t offset = 0;
    bool from_start = strncasecmp(name, "RTMIN", 5) == 0;
    bool from_end = strncasecmp(name, "RTMAX", 5) == 0;
    if (!from_start && !from_end) {
        return 0;
    }
    if (name[5] != '\0' && (name[5] != (from_start ? '+' : '-') ||
                            !number_parse(name + 6, REALTIME_LAST - REALTIME_FIRST, &offset))) {
        return 0;
    }
    return (uint32_t)(from_start ? REALTIME_FIRST + offset : REALTIME_LAST - offset);
}

uint32_t signal_parse(const char *text)
{
    uint64_t number;
    if (number_parse(text, REALTIME_LAST, &number)) {
        return (uint32_t)number;
    }
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (uint32_t i = 1; i < ARRAY_LENGTH(names); i++) {
        if (strcasecmp(names[i] + 3, name) == 0) {
            return i;
        }
    }
    return realtime_parse(name);
}

const char *signal_name(uint32_t number)
{
    return number < ARRAY_LENGTH(names) ? names[number] : NULL;
}
