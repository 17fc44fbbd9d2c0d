/* Areas, for the files of linux/mm. */
#pragma once

#include "linux/mm/mm.h"

/* The memory behind an anonymous shared mapping, counted by the areas that map it. */
struct shared_pages {
    uint32_t references; /* atomic */
    uint32_t memory;     /* slot */
};

struct vm_area *area_copy(const struct vm_area *area);
void area_free(struct vm_area *area);
