/*
 * The template: what is the same in every container and can be done before there is one. It runs
 * once, in a domain of its own; its window is frozen and cloned. Nothing secret and nothing of one
 * container may be here.
 */
#include "linux/core/container.h"

#include "abi/container.h"
#include "abi/container.idl.h"
#include "lib/oak/log.h"
#include "linux/core/facts.h"
#include "linux/core/heap.h"
#include "linux/core/random.h"
#include "linux/core/root.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"
#include "linux/core/window.h"
#include "linux/vdso/vdso.h"

/* Never answered: the engine freezes us here. */
_Noreturn static void ready(void)
{
    /* Containers' windows are copies of this one, and have its entries. */
    (void)kernel_domain_set_entries(SLOT_DOMAIN, (uint64_t)(uintptr_t)trap_entry,
                                    (uint64_t)(uintptr_t)fault_entry);
    uint64_t frame = (uint64_t)(uintptr_t)program_first_block + THREAD_FRAME_OFFSET;
    uint64_t written = frame - THREAD_STACK_READY_BYTES;
    uint64_t written_end = ALIGN_UP((uint64_t)(uintptr_t)program_large_start, PAGE_SIZE);
    status_t status =
        container_template_ready(CONTAINER_SLOT_ENGINE, (uint64_t)(uintptr_t)container_entry, frame,
                                 written, written_end - written);
    (void)status;
    personality_panic("template: the engine let it run on");
}

void template_begin(void)
{
    struct own_thread *own = thread_self();
    own->task = NULL;
    own->slot = SLOT_THREAD;
    log_name_set("linux");
    window_unite();
    heap_start();
    facts_read();
    random_prepare();
    vdso_prepare();
    if (root_prepare() != 0) {
        personality_panic("template: no memory");
    }
    heap_seal();
    ready();
}
