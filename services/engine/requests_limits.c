/* A container's limits: what records may say of them, and UPDATE. */
#include "services/engine/requests.h"

#define CPU_WEIGHT_MAX    262144u
#define CPU_TIME_MIN_NS   1000000ull
#define CPU_PERIOD_MAX_NS 1000000000ull

static bool outside(uint64_t value, uint64_t least, uint64_t most)
{
    return value != 0 && (value < least || value > most);
}

const char *limits_problem(const struct container_limits *limits)
{
    if (outside(limits->memory_bytes, MEMORY_LIMIT_MIN_BYTES, UINT64_MAX)) {
        return "the memory limit is too small for a container: at least 1 MiB";
    }
    if (outside(limits->cpu_weight, 2, CPU_WEIGHT_MAX)) {
        return "CPU shares are 2 to 262144";
    }
    if (outside(limits->cpu_period_ns, CPU_TIME_MIN_NS, CPU_PERIOD_MAX_NS)) {
        return "a CPU period is 1 ms to 1 s";
    }
    if (outside(limits->cpu_quota_ns, CPU_TIME_MIN_NS, UINT64_MAX)) {
        return "a CPU quota is 1 ms or more";
    }
    return NULL;
}

bool limit_take(struct container_limits *limits, uint16_t tag, uint64_t number)
{
    switch (tag) {
    case RECORD_MEMORY_LIMIT:
        limits->memory_bytes = number;
        return true;
    case RECORD_CPU_WEIGHT:
        limits->cpu_weight = number;
        return true;
    case RECORD_CPU_QUOTA:
        limits->cpu_quota_ns = number;
        return true;
    case RECORD_CPU_PERIOD:
        limits->cpu_period_ns = number;
        return true;
    case RECORD_THREADS_LIMIT:
        limits->threads = number;
        return true;
    default:
        return false;
    }
}

/* What the request changes. NULL, or what is wrong with it. */
static const char *limits_read(const struct request *request, struct container_limits *limits)
{
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, request->bytes, request->length_bytes);
    while (record_next(&reader, &record) == STATUS_OK) {
        uint64_t number = 0;
        bool is_number = record_number(&record, &number) == STATUS_OK;
        if (limit_take(limits, record.tag, number) && !is_number) {
            return "a limit is malformed";
        }
    }
    return limits_problem(limits);
}

void request_update(const struct request *request)
{
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    struct container_limits limits = container->limits;
    const char *why = limits_read(request, &limits);
    if (why != NULL) {
        request_answer_message(request, STATUS_INVALID_ARGUMENT, why);
        return;
    }
    status_t status = objects_limit(&container->objects, &limits);
    if (status == STATUS_OK) {
        container->limits = limits;
    }
    request_answer(request, status);
}
