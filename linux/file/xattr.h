/* Extended attributes (xattr(7)): what the file systems that have them share with the calls. */
#pragma once

#include "lib/base/types.h"

#define XATTR_NAME_MAX  255u
#define XATTR_VALUE_MAX 65536u
#define XATTR_LIST_MAX  65536u

#define XATTR_CREATE  1u
#define XATTR_REPLACE 2u
