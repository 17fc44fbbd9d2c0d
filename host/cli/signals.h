/* Linux's signals by name and number. */
#pragma once

#include "host/cli/cli.h"

/* "TERM", "SIGTERM", "sigterm", "15". 0: no such signal. */
uint32_t signal_parse(const char *text);
/* "SIGTERM", or NULL. */
const char *signal_name(uint32_t number);
