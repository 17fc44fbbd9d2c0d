/* The first thread's beginning, the event thread, and the facts of this one container. */
#include "linux/core/container.h"

#include "abi/container.h"
#include "abi/container.idl.h"
#include "lib/oak/log.h"
#include "linux/core/console.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/image.h"
#include "linux/core/launch.h"
#include "linux/core/lock.h"
#include "linux/core/reserve.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"
#include "linux/core/window.h"
#include "linux/event/cpu_clock.h"
#include "linux/proc/table.h"

#define HOSTNAME_MAX 64

bool container_attended;

static struct {
    struct mutex lock; /* guards the name */
    char hostname[HOSTNAME_MAX + 1];
} container;

const char *container_hostname(void)
{
    return container.hostname;
}

void container_hostname_set(const char *name, uint32_t length_bytes)
{
    length_bytes = MIN(length_bytes, HOSTNAME_MAX);
    mutex_lock(&container.lock);
    memset(container.hostname, 0, sizeof(container.hostname));
    memcpy(container.hostname, name, length_bytes);
    mutex_unlock(&container.lock);
}

/* True: the engine has more to say. */
static bool request_serve(void)
{
    struct container_next_request_reply request = {.more = 0};
    uint32_t slot = slot_alloc();
    status_t status = container_next_request(CONTAINER_SLOT_ENGINE, slot, &request);
    bool channel = status == STATUS_OK && (request.kind == CONTAINER_REQUEST_EXEC ||
                                           request.kind == CONTAINER_REQUEST_COPY_OUT ||
                                           request.kind == CONTAINER_REQUEST_COPY_IN);
    if (!channel) {
        slot_free(slot);
    }
    if (status != STATUS_OK) {
        return false;
    }
    switch (request.kind) {
    case CONTAINER_REQUEST_EXEC:
        launch(LAUNCH_PROGRAM, request.process, slot, request.size);
        break;
    case CONTAINER_REQUEST_COPY_OUT:
        launch(LAUNCH_COPY_OUT, request.process, slot, request.size);
        break;
    case CONTAINER_REQUEST_COPY_IN:
        launch(LAUNCH_COPY_IN, request.process, slot, request.size);
        break;
    case CONTAINER_REQUEST_KILL:
        launched_signal(request.process, (int)request.value);
        break;
    case CONTAINER_REQUEST_RESIZE:
        launched_resize(request.process, (uint32_t)(request.value >> 16) & 0xffff,
                        (uint32_t)request.value & 0xffff);
        break;
    default:
        return false;
    }
    return request.more > 0;
}

static _Noreturn void events_serve(void)
{
    launched_report();
    for (;;) {
        struct kernel_results results;
        status_t status =
            kernel_signal_wait(CONTAINER_SLOT_EVENTS, UINT64_MAX, DEADLINE_NEVER, &results);
        uint64_t events = status == STATUS_OK ? results.value[0] : 0;
        if (status != STATUS_OK && status != STATUS_INTERRUPTED) {
            personality_panic("container: the engine's events are gone");
        }
        if (events & EVENT_LAUNCHED) {
            launched_report();
        }
        if (events & (EVENT_INPUT | EVENT_OUTPUT)) {
            consoles_look(events);
        }
        while (events & EVENT_REQUEST && request_serve()) {
        }
    }
}

bool container_attend(void)
{
    static bool tries_again;
    uint32_t thread;
    struct thread_frame *frame;
    if (container_attended) {
        return true;
    }
    if (thread_new(NULL, 0, &thread, &frame) != 0) {
        const struct cpu_time used = thread_cpu_time(SLOT_THREAD);
        tries_again = true;
        (void)kernel_thread_interrupt(SLOT_THREAD, INTERRUPT_AFTER_TIME,
                                      cpu_total_ns(&used) + ATTEND_AGAIN_NS);
        return false;
    }
    if (tries_again) {
        (void)kernel_thread_interrupt(SLOT_THREAD, INTERRUPT_AFTER_TIME, UINT64_MAX);
    }
    if (kernel_thread_start(thread, SLOT_NONE, (uint64_t)(uintptr_t)events_serve, 0, 0) !=
        STATUS_OK) {
        personality_panic("container: the event thread does not start");
    }
    container_attended = true;
    consoles_attended();
    return true;
}

void container_begin(uint64_t argument)
{
    heap_begin();
    reserve_start();
    thread_first_prepare();
    if (image_open(CONTAINER_ARGUMENT_IMAGE(argument)) != 0) {
        personality_panic("start: cannot map the image");
    }
    launch(LAUNCH_PROGRAM, 0, CONTAINER_SLOT_CHANNEL, CONTAINER_ARGUMENT_SPECIFICATION(argument));
    if (thread_self()->task == NULL) {
        personality_panic("start: the engine lets a container live on that it was told to end");
    }
}
