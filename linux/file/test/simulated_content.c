/* linux/file/tree_content.c over the simulated kernel. */
#include "linux/file/test/simulated_kernel.h"

#define kernel_memory_create   simulated_memory_create
#define kernel_memory_populate simulated_memory_populate
#define kernel_memory_discard  simulated_memory_discard
#define kernel_memory_query    simulated_memory_query
#define kernel_object_destroy  simulated_object_destroy
#define kernel_capability_drop simulated_capability_drop

#include "linux/file/tree_content.c"
