/* From the first instruction to program_main, and the end of a program that returns from it. */
#include "lib/oak/kernel.h"
#include "lib/oak/program.h"
#include "lib/oak/start.h"

void program_start_main(uint64_t argument)
{
    program_main(argument);
    kernel_object_destroy(SLOT_THREAD);
}
