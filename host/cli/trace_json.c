#include "host/cli/trace_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi/trace.h"

#define CPU_PROCESS    0u
#define UNKNOWN_DOMAIN 0xffffffu
#define SHOOTDOWN_ALL  33u

/* An event and where it happened, for sorting. */
struct moment {
    struct trace_event event;
    uint32_t cpu;
};

struct traced_thread {
    uint32_t number;
    uint32_t domain;
    bool in_call; /* of the application */
    uint64_t call_tsc;
    uint16_t call_number;
};

struct traced_cpu {
    bool known;
    uint32_t thread;
    uint64_t since_tsc;
};

struct writer {
    const struct trace_data *data;
    FILE *file;
    struct moment *moments;
    size_t moment_count;
    struct traced_thread *threads;
    size_t thread_count;
    uint64_t first_tsc;
    bool began; /* something was written: a comma comes first */
};

static const char *const call_names[] = {
#define KERNEL_CALL(number, name, arguments, results, type, rights, other, makes, shape, meaning)  \
    [number] = #name,
#include "abi/syscalls.def"
#undef KERNEL_CALL
};

static const char *const status_names[] = {
#define STATUS(name, number, meaning) [number] = #name,
#include "abi/status.def"
#undef STATUS
};

/* --- what is there --------------------------------------------------------------------------- */

static int moment_compare(const void *a, const void *b)
{
    const struct moment *left = a;
    const struct moment *right = b;
    if (left->event.tsc != right->event.tsc) {
        return left->event.tsc < right->event.tsc ? -1 : 1;
    }
    return left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

/* All events of all rings in the order of time. */
static bool moments_collect(struct writer *writer)
{
    bool complete = true;
    size_t cpus = writer->data->rings_bytes / sizeof(struct trace_ring);
    writer->moments = allocate(cpus * TRACE_RING_EVENTS * sizeof(*writer->moments));
    for (size_t cpu = 0; cpu < cpus; cpu++) {
        const uint8_t *bytes = writer->data->rings + cpu * sizeof(struct trace_ring);
        uint64_t written;
        memcpy(&written, bytes, sizeof(written));
        complete = complete && written <= TRACE_RING_EVENTS;
        for (uint64_t i = 0; i < MIN(written, (uint64_t)TRACE_RING_EVENTS); i++) {
            struct moment *moment = &writer->moments[writer->moment_count++];
            moment->cpu = (uint32_t)cpu;
            memcpy(&moment->event,
                   bytes + offsetof(struct trace_ring, event) + i * sizeof(moment->event),
                   sizeof(moment->event));
        }
    }
    qsort(writer->moments, writer->moment_count, sizeof(*writer->moments), moment_compare);
    return complete;
}

static struct traced_thread *thread_find(struct writer *writer, uint32_t number)
{
    for (size_t i = 0; i < writer->thread_count; i++) {
        if (writer->threads[i].number == number) {
            return &writer->threads[i];
        }
    }
    writer->threads =
        allocate_again(writer->threads, (writer->thread_count + 1) * sizeof(*writer->threads));
    struct traced_thread *thread = &writer->threads[writer->thread_count++];
    *thread = (struct traced_thread){.number = number, .domain = UNKNOWN_DOMAIN};
    return thread;
}

static void threads_collect(struct writer *writer)
{
    for (size_t i = 0; i < writer->moment_count; i++) {
        const struct trace_event *event = &writer->moments[i].event;
        if (event->thread == 0) {
            continue;
        }
        struct traced_thread *thread = thread_find(writer, event->thread);
        if (event->kind == TRACE_SWITCH) {
            thread->domain = (uint32_t)event->word[0];
        }
    }
}

static const char *domain_name(const struct writer *writer, uint32_t number)
{
    static char text[32];
    for (size_t i = 0; i < writer->data->domain_count; i++) {
        if (writer->data->domains[i].number == number) {
            return writer->data->domains[i].name;
        }
    }
    snprintf(text, sizeof(text), number == UNKNOWN_DOMAIN ? "unknown" : "domain %" PRIu32, number);
    return text;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void begin(struct writer *writer)
{
    fputs(writer->began ? ",\n" : "\n", writer->file);
    writer->began = true;
}

static double microseconds(const struct writer *writer, uint64_t ticks)
{
    return (double)ticks * 1e6 / (double)MAX(writer->data->tsc_hz, (uint64_t)1);
}

/* Names are the engine's: printable, and nothing that JSON would read otherwise. */
static void text_put(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        bool plain = *text >= ' ' && *text < 0x7f && *text != '"' && *text != '\\';
        fputc(plain ? *text : '?', file);
    }
}

static void name_put(struct writer *writer, const char *what, uint32_t process, uint32_t thread,
                     const char *name)
{
    begin(writer);
    fprintf(writer->file,
            "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
            ",\"args\":{\"name\":\"",
            what, process, thread);
    text_put(writer->file, name);
    fputs("\"}}", writer->file);
}

static void numbered_name_put(struct writer *writer, uint32_t process, uint32_t thread,
                              const char *word, uint32_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "%s %" PRIu32, word, number);
    name_put(writer, "thread_name", process, thread, text);
}

static void names_put(struct writer *writer)
{
    name_put(writer, "process_name", CPU_PROCESS, 0, "CPUs");
    size_t cpus = writer->data->rings_bytes / sizeof(struct trace_ring);
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        numbered_name_put(writer, CPU_PROCESS, cpu, "CPU", cpu);
    }
    for (size_t i = 0; i < writer->thread_count; i++) {
        const struct traced_thread *thread = &writer->threads[i];
        name_put(writer, "process_name", thread->domain, thread->number,
                 domain_name(writer, thread->domain));
        numbered_name_put(writer, thread->domain, thread->number, "thread", thread->number);
    }
}

/* A piece of a track, its name left open. */
static void slice_begin(struct writer *writer, uint32_t process, uint32_t thread, uint64_t tsc,
                        uint64_t end_tsc)
{
    begin(writer);
    fprintf(writer->file,
            "{\"ph\":\"X\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
            ",\"ts\":%.3f,\"dur\":%.3f,\"name\":\"",
            process, thread, microseconds(writer, tsc - writer->first_tsc),
            microseconds(writer, end_tsc - tsc));
}

static void running_put(struct writer *writer, uint32_t cpu, struct traced_cpu *state, uint64_t tsc)
{
    if (state->known && state->thread != 0) {
        const struct traced_thread *thread = thread_find(writer, state->thread);
        slice_begin(writer, CPU_PROCESS, cpu, state->since_tsc, tsc);
        text_put(writer->file, domain_name(writer, thread->domain));
        fprintf(writer->file, " thread %" PRIu32 "\"}", thread->number);
    }
}

static void system_call_put(struct writer *writer, struct traced_thread *thread, uint64_t tsc)
{
    slice_begin(writer, thread->domain, thread->number, thread->call_tsc, tsc);
    fprintf(writer->file, "system call %u\"}", thread->call_number);
    thread->in_call = false;
}

/* Something that takes no time, on its thread's track or, when idle, its CPU's. */
static void instant_put(struct writer *writer, const struct moment *moment, const char *name)
{
    const struct trace_event *event = &moment->event;
    uint32_t process = CPU_PROCESS;
    uint32_t thread = moment->cpu;
    if (event->thread != 0) {
        thread = event->thread;
        process = thread_find(writer, thread)->domain;
    }
    begin(writer);
    fprintf(writer->file,
            "{\"ph\":\"i\",\"s\":\"t\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
            ",\"ts\":%.3f,\"name\":\"%s\",\"args\":{\"word0\":\"0x%" PRIx64
            "\",\"word1\":\"0x%" PRIx64 "\"}}",
            process, thread, microseconds(writer, event->tsc - writer->first_tsc), name,
            event->word[0], event->word[1]);
}

static void call_put(struct writer *writer, const struct moment *moment)
{
    const struct trace_event *event = &moment->event;
    struct traced_thread *thread = thread_find(writer, event->thread);
    if (event->kind == TRACE_SYSTEM_CALL) {
        thread->in_call = true;
        thread->call_tsc = event->tsc;
        thread->call_number = event->detail;
        return;
    }
    if (event->detail == CALL_application_resume && thread->in_call) {
        system_call_put(writer, thread, event->tsc);
        return;
    }
    bool named = event->detail < ARRAY_LENGTH(call_names) && call_names[event->detail] != NULL;
    instant_put(writer, moment, named ? call_names[event->detail] : "no such call");
}

static void moment_put(struct writer *writer, const struct moment *moment)
{
    const struct trace_event *event = &moment->event;
    char name[64];
    switch ((enum trace_kind)event->kind) {
    case TRACE_SWITCH:
        return;
    case TRACE_CALL:
    case TRACE_SYSTEM_CALL:
        call_put(writer, moment);
        return;
    case TRACE_TRAP:
        snprintf(name, sizeof(name), event->detail < 32 ? "exception %u" : "interrupt %u",
                 event->detail);
        break;
    case TRACE_FAULT: {
        bool named = event->detail < ARRAY_LENGTH(status_names) && status_names[event->detail];
        snprintf(name, sizeof(name), "page fault: %s", named ? status_names[event->detail] : "?");
        break;
    }
    case TRACE_WAKE:
        snprintf(name, sizeof(name), "wakes thread %" PRIu64, event->word[0]);
        break;
    case TRACE_SHOOTDOWN:
        snprintf(name, sizeof(name),
                 event->word[1] < SHOOTDOWN_ALL ? "shootdown of %" PRIu64 " pages"
                                                : "shootdown of all pages",
                 event->word[1]);
        break;
    case TRACE_NMI:
        snprintf(name, sizeof(name), "NMI");
        break;
    default:
        return;
    }
    instant_put(writer, moment, name);
}

size_t trace_json_write(const struct trace_data *data, FILE *file, bool *complete)
{
    struct writer writer = {.data = data, .file = file};
    size_t cpu_count = data->rings_bytes / sizeof(struct trace_ring);
    struct traced_cpu *cpus = allocate(cpu_count * sizeof(*cpus));
    *complete = moments_collect(&writer);
    threads_collect(&writer);
    writer.first_tsc = writer.moment_count > 0 ? writer.moments[0].event.tsc : 0;
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", file);
    names_put(&writer);
    uint64_t last_tsc = writer.first_tsc;
    for (size_t i = 0; i < writer.moment_count; i++) {
        const struct moment *moment = &writer.moments[i];
        struct traced_cpu *cpu = &cpus[moment->cpu];
        last_tsc = moment->event.tsc;
        if (!cpu->known || moment->event.kind == TRACE_SWITCH) {
            running_put(&writer, moment->cpu, cpu, last_tsc);
            *cpu = (struct traced_cpu){true, moment->event.thread, last_tsc};
        }
        moment_put(&writer, moment);
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        running_put(&writer, i, &cpus[i], last_tsc);
    }
    fputs("\n]}\n", file);
    free(cpus);
    free(writer.threads);
    free(writer.moments);
    return writer.moment_count;
}
