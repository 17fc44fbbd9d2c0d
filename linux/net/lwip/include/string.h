/* lwIP asks for the C library's. */
#pragma once

#include "lib/base/string.h"
