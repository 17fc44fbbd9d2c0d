/* Called by start.S alone. */
#pragma once

#include "lib/base/types.h"

void program_start_main(uint64_t argument);
