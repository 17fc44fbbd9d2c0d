/* Speeds of terminals, in bits a second, and their codes in the control flags. */
#pragma once

#include "lib/base/types.h"

uint32_t speed_of(uint32_t control_flags);
/* The flags with a code for that speed, where they say that it has none (BOTHER). */
uint32_t speed_flags(uint32_t control_flags, uint32_t speed);
