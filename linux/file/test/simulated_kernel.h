/* The kernel calls that the content of files makes, to the simulation. */
#pragma once

#include "lib/oak/kernel.h"

status_t simulated_memory_create(uint64_t account, uint64_t slot, uint64_t size_bytes);
status_t simulated_memory_populate(uint64_t slot, uint64_t offset, uint64_t size_bytes);
status_t simulated_memory_discard(uint64_t slot, uint64_t offset, uint64_t size_bytes);
bool simulated_page_present(uint64_t slot, uint64_t offset);
status_t simulated_object_destroy(uint64_t slot);
status_t simulated_capability_drop(uint64_t domain, uint64_t slot);
