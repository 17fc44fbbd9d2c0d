/*
 * Invariants: a ring that is open has its control page backed by memory, and so have those of its
 * bytes that are touched; before process_open and after the end none is open. The list of active
 * processes holds no process twice.
 */
#include "services/engine/process.h"

#include "lib/base/record.h"
#include "lib/base/string.h"
#include "lib/oak/clock.h"
#include "lib/oak/log.h"
#include "services/engine/container.h"
#include "services/engine/session.h"

#define TURN_PROCESSES 32 /* pumped in one turn */
#define PUMP_STEPS     64 /* of one stream in one turn, so that a racing peer gets no more */

static const uint32_t ring_offset[3] = {CHANNEL_RING_STDIN, CHANNEL_RING_STDOUT,
                                        CHANNEL_RING_STDERR};

static struct process *active_first;
static struct process *active_last;

/* A log's memory is made when its first byte comes. */
static status_t log_ready(void *context, uint32_t from_bytes, uint32_t size_bytes)
{
    struct process *process = context;
    struct log_memory *memory = &process->log_memory;
    if (memory->bytes == NULL) {
        status_t status = log_memory_make(process->container->objects.account,
                                          process->log.capacity_bytes, memory);
        if (status != STATUS_OK) {
            return status;
        }
        process->log.bytes = memory->bytes;
    }
    return log_memory_ready(memory, from_bytes, size_bytes);
}

static status_t log_open(struct process *process)
{
    uint32_t size_bytes = process->number == 0 ? CONTAINER_LOG_BYTES : EXEC_LOG_BYTES;
    log_ring_open(&process->log, size_bytes, log_ready, process);
    return process->copies ? log_ready(process, 0, size_bytes) : STATUS_OK;
}

static void channel_close(struct process *process)
{
    process->ring_open[0] = process->ring_open[1] = process->ring_open[2] = false;
    if (process->channel.bytes != NULL) {
        channel_forget(&process->channel);
        process->channel = (struct channel_memory){0};
    }
}

/* Absent pages of what is touched always, and nobody could be told later that there is no memory.
 */
static status_t rings_ready(struct process *process)
{
    status_t status = channel_ready(&process->channel, 0, PAGE_SIZE);
    if (status == STATUS_OK && process->open_stdin) {
        status = channel_ready(&process->channel, CHANNEL_RING_STDIN, CHANNEL_RING_BYTES);
    }
    return status;
}

status_t process_open(struct process *process, const void *specification,
                      uint32_t specification_bytes)
{
    status_t status = channel_make(&process->container->objects, specification, specification_bytes,
                                   &process->channel);
    if (status == STATUS_OK) {
        status = rings_ready(process);
    }
    if (status == STATUS_OK) {
        status = log_open(process);
    }
    if (status != STATUS_OK) {
        channel_close(process);
        return status;
    }
    struct channel_control *control = (void *)process->channel.bytes;
    byte_ring_producer_init(&process->ring[0], &control->ring[0],
                            process->channel.bytes + CHANNEL_RING_STDIN, CHANNEL_RING_BYTES);
    for (uint32_t stream = 1; stream <= 2; stream++) {
        struct byte_ring *ring = &process->ring[stream];
        byte_ring_consumer_init(ring, &control->ring[stream],
                                process->channel.bytes + ring_offset[stream], CHANNEL_RING_BYTES);
        (void)byte_ring_consumer_sleep(ring);
    }
    process->ring_open[0] = process->ring_open[1] = process->ring_open[2] = true;
    process->specification_bytes = specification_bytes;
    if (!process->open_stdin) {
        process_stdin_close(process);
    }
    return STATUS_OK;
}

/* --- The list of active processes --- */

void process_activate(struct process *process)
{
    if (process->active || process->state == PROCESS_ENDED) {
        return;
    }
    /* A program may write before its launch is known here: whoever asked for it hears of that
     * first. A copy is launched when it is done. */
    if (process->state == PROCESS_LAUNCHING && !process->copies) {
        process->early = true;
        return;
    }
    process->active = true;
    process->active_next = NULL;
    if (active_first == NULL) {
        active_first = process;
    } else {
        active_last->active_next = process;
    }
    active_last = process;
}

static void process_deactivate(struct process *process)
{
    struct process **link = &active_first;
    struct process *before = NULL;
    if (!process->active) {
        return;
    }
    while (*link != process) {
        before = *link;
        link = &before->active_next;
    }
    *link = process->active_next;
    if (active_last == process) {
        active_last = before;
    }
    process->active = false;
}

/* --- Streams --- */

static void stream_broken(struct process *process, uint32_t stream, status_t status)
{
    process->ring_open[stream] = false;
    if (status != STATUS_CLOSED) {
        log_line("container %.12s: stream %u of process %u is not used any more: %s",
                 process->container->id, stream, process->number, status_name(status));
    }
}

/* Whether a session that follows is too far behind. */
static bool process_held(struct process *process)
{
    log_ring_prepare(&process->log);
    for (struct session *s = process->sessions; s != NULL; s = s->process_next) {
        if (s->attachment == ATTACHMENT_OUTPUT && !s->closing &&
            process->log.head - MIN(s->cursor.position, process->log.head) >
                process->log.capacity_bytes / 2) {
            return true;
        }
    }
    return false;
}

/* One piece from the ring into the log. WOULD_BLOCK: the ring is empty. */
static status_t stream_take(struct process *process, uint32_t stream, uint32_t *out_taken,
                            bool *wake)
{
    struct byte_ring *ring = &process->ring[stream];
    const uint8_t *data;
    uint32_t data_bytes;
    status_t status = byte_ring_data(ring, &data, &data_bytes);
    if (status != STATUS_OK || data_bytes == 0) {
        return status != STATUS_OK ? status : STATUS_WOULD_BLOCK;
    }
    uint32_t part = MIN(data_bytes, (uint32_t)LOG_CHUNK_BYTES);
    status = channel_ready(&process->channel, (uint64_t)(data - process->channel.bytes), part);
    if (status != STATUS_OK) {
        return status;
    }
    bool wake_part;
    log_ring_append(&process->log, stream, clock_wall_ns(), data, part);
    byte_ring_consume(ring, part, &wake_part);
    *wake |= wake_part;
    *out_taken = part;
    return STATUS_OK;
}

/* True: there is more to do now. */
static bool stream_pump(struct process *process, uint32_t stream, bool hold, bool *wake)
{
    uint32_t total = 0;
    for (uint32_t step = 0; step < PUMP_STEPS && total < PROCESS_PUMP_BYTES; step++) {
        if (!process->ring_open[stream]) {
            return false;
        }
        if (hold && process_held(process)) {
            process->held_up = true;
            return false;
        }
        uint32_t taken = 0;
        status_t status = stream_take(process, stream, &taken, wake);
        total += taken;
        if (status == STATUS_WOULD_BLOCK) {
            if (byte_ring_consumer_sleep(&process->ring[stream])) {
                return false;
            }
        } else if (status != STATUS_OK) {
            stream_broken(process, stream, status);
        }
    }
    return true;
}

/* True: there is more to do now. */
static bool output_pump(struct process *process, bool hold)
{
    bool wake = false;
    uint64_t before = process->log.head;
    bool more = stream_pump(process, 1, hold, &wake);
    more |= stream_pump(process, 2, hold, &wake);
    if (wake) {
        container_raise(process->container, EVENT_OUTPUT);
    }
    for (struct session *s = process->sessions; before != process->log.head && s != NULL;
         s = s->process_next) {
        session_wake(s);
    }
    return more;
}

uint32_t process_input(struct process *process, const uint8_t *bytes, uint32_t length_bytes)
{
    struct byte_ring *ring = &process->ring[0];
    bool wake = false;
    bool asleep = false;
    uint32_t total = 0;
    for (uint32_t step = 0; step < PUMP_STEPS && total < length_bytes && !asleep; step++) {
        if (!process->ring_open[0] || process->stdin_closed) {
            return length_bytes;
        }
        uint32_t written = 0;
        bool wake_part = false;
        status_t status =
            byte_ring_write(ring, bytes + total, length_bytes - total, &written, &wake_part);
        if (status != STATUS_OK) {
            stream_broken(process, 0, status);
        }
        total += written;
        wake |= wake_part;
        asleep = total < length_bytes && byte_ring_producer_sleep(ring);
    }
    if (wake) {
        container_raise(process->container, EVENT_INPUT);
    }
    if (total < length_bytes && !asleep) {
        process_activate(process);
    }
    return total;
}

void process_stdin_close(struct process *process)
{
    bool wake = false;
    if (process->stdin_closed || !process->ring_open[0]) {
        return;
    }
    process->stdin_closed = true;
    byte_ring_close(&process->ring[0], &wake);
    if (wake) {
        container_raise(process->container, EVENT_INPUT);
    }
}

static void input_pump(struct process *process)
{
    for (struct session *s = process->sessions; s != NULL; s = s->process_next) {
        uint32_t waiting = session_input_bytes(s);
        if (waiting > 0) {
            session_input_taken(s, process_input(process, s->input + s->input_start, waiting));
        }
        session_input_check(s);
    }
}

bool processes_pump(void)
{
    for (uint32_t i = 0; i < TURN_PROCESSES && active_first != NULL; i++) {
        struct process *process = active_first;
        process_deactivate(process);
        process->held_up = false;
        input_pump(process);
        if (output_pump(process, true)) {
            process_activate(process);
        }
    }
    return active_first != NULL;
}

void process_unhold(struct process *process)
{
    if (process->held_up && !process_held(process)) {
        process_activate(process);
    }
}

/* --- Life --- */

/* It is launching and will not be any more. */
static void launching_leave(const struct process *process)
{
    if (process->number == 0) {
        container_start_is_over();
    }
}

void process_launched(struct process *process, uint64_t pid)
{
    launching_leave(process);
    process->state = PROCESS_RUNNING;
    process->pid = pid;
    channel_launched(&process->channel);
    if (process->early) {
        process_activate(process);
    }
    if (process->window != 0) {
        process_resize(process, process->window);
    }
}

void process_resize(struct process *process, uint32_t window)
{
    process->window = window;
    /* A personality that fetches nothing is told of the next one, or of none. */
    if (process->state == PROCESS_RUNNING &&
        container_tell(process->container, CONTAINER_REQUEST_RESIZE, process->number, window) ==
            STATUS_OK) {
        process->window = 0;
    }
}

void process_launch_answer(struct process *process, status_t status)
{
    uint8_t bytes[PROCESS_MESSAGE + 64];
    struct record_writer records;
    struct session *session = process->launcher;
    if (session == NULL) {
        return;
    }
    record_writer_init(&records, bytes, sizeof(bytes));
    if (status == STATUS_OK && process->number != 0 && !process->copies) {
        record_put_number(&records, RECORD_PROCESS, process->number);
    }
    if (status != STATUS_OK && process->message[0] != '\0') {
        record_put_text(&records, RECORD_MESSAGE, process->message);
    }
    process->launcher = NULL;
    session_reply(session, process->launcher_tag, status, bytes, (uint32_t)records.length_bytes);
    if (status != STATUS_OK && process->number != 0) {
        session_detach(session);
        session->attachment = ATTACHMENT_NONE;
        session->eof_due = 0;
        session->output_over = false;
    }
    session_resume(session);
}

void process_ended(struct process *process, uint32_t exit_code, bool oom_killed)
{
    if (process->state == PROCESS_ENDED) {
        return;
    }
    bool launching = process->state == PROCESS_LAUNCHING;
    process_deactivate(process);
    (void)output_pump(process, false);
    process->state = PROCESS_ENDED;
    process->exit_code = exit_code;
    process->oom_killed = oom_killed;
    channel_close(process);
    if (launching && process->copies) {
        static const char text[] = "the container ended";
        memcpy(process->message, text, sizeof(text));
    }
    if (launching) {
        launching_leave(process);
        process_launch_answer(process, process->copies ? STATUS_BAD_STATE : STATUS_CLOSED);
    }
    for (struct session *s = process->sessions; s != NULL; s = s->process_next) {
        session_input_taken(s, session_input_bytes(s));
        session_wake(s);
    }
    for (struct wait *wait = process->waits; wait != NULL; wait = wait->process_next) {
        session_wake(wait->session);
    }
}

void process_release(struct process *process)
{
    process_deactivate(process);
    while (process->sessions != NULL) {
        session_cut(process->sessions);
    }
    while (process->waits != NULL) {
        wait_settle(process->waits);
    }
    channel_close(process);
    if (process->log_memory.bytes != NULL) {
        log_memory_forget(&process->log_memory);
        process->log = (struct log_ring){0};
    }
}

uint32_t text_keep(char *to, uint32_t capacity_bytes, const char *text, uint32_t length_bytes)
{
    uint32_t length = 0;
    while (length < length_bytes && length < capacity_bytes - 1 && text[length] != '\0') {
        uint8_t c = (uint8_t)text[length];
        to[length++] = c < ' ' || c == 0x7f ? '?' : (char)c;
    }
    to[length] = '\0';
    return length;
}
