/* Looking regions up, for the files that work on region maps. Under the map's lock. */
#pragma once

#include "kernel/object/region.h"

/* The first region that ends above the address; NULL when none does. */
struct region *region_from(const struct region_map *map, uint64_t address);
struct region *region_next(const struct region *region);
