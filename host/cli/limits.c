/* Limits of memory, CPU time and processes, in docker's words, and oak update, which changes them.
 */
#include "host/cli/containers.h"
#include "host/cli/options.h"
#include "host/cli/specification.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MINIMUM  (1u << 20)
#define CPU_PERIOD_NS   100000000ull /* what --cpus counts in */
#define CPUS_MAX_NUMBER 1000000u
#define THREADS_MAX     4194304u

/* A decimal number with up to three digits behind the point, in thousandths. */
static bool thousandths_parse(const char *text, uint64_t *out)
{
    char digits[] = "000";
    size_t whole = strcspn(text, ".");
    size_t part = text[whole] == '.' ? strlen(text + whole + 1) : 0;
    uint64_t thousandths;
    char *before = text_format("%.*s", (int)whole, text);
    bool good = part < sizeof(digits) && number_parse(before, CPUS_MAX_NUMBER, out);
    free(before);
    if (!good) {
        return false;
    }
    memcpy(digits, text + whole + (text[whole] == '.'), part);
    if (!number_parse(digits, 999, &thousandths)) {
        return false;
    }
    *out = *out * 1000 + thousandths;
    return true;
}

/* A number from least to most; -1 and 0 are none. */
static bool bounded_parse(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    if (strcmp(text, "-1") == 0) {
        *out = 0;
        return true;
    }
    return number_parse(text, most, out) && (*out == 0 || *out >= least);
}

static bool refused(const char *command, const char *takes, const char *text)
{
    error_line(EXIT_OAK, "%s: %s, not '%s'", command, takes, text);
    return false;
}

static bool cpus_parse(const char *command, const struct limit_flags *flags, struct limits *limits)
{
    uint64_t thousandths;
    if (flags->cpu_period != NULL || flags->cpu_quota != NULL) {
        error_line(EXIT_OAK, "%s: --cpus says what --cpu-period and --cpu-quota say: not both",
                   command);
        return false;
    }
    if (!thousandths_parse(flags->cpus, &thousandths) || (thousandths != 0 && thousandths < 10)) {
        return refused(command, "--cpus takes 0.01 or more, as in 1.5", flags->cpus);
    }
    limits->cpu_period_ns = CPU_PERIOD_NS;
    limits->cpu_quota_ns = thousandths * (CPU_PERIOD_NS / 1000);
    return true;
}

static bool cpu_time_parse(const char *command, const struct limit_flags *flags,
                           struct limits *limits)
{
    if (flags->cpu_period != NULL) {
        if (!bounded_parse(flags->cpu_period, 1000, 1000000, &limits->cpu_period_ns)) {
            return refused(command, "--cpu-period takes 1000 to 1000000 microseconds",
                           flags->cpu_period);
        }
        limits->cpu_period_ns *= 1000;
    }
    if (flags->cpu_quota != NULL) {
        if (!bounded_parse(flags->cpu_quota, 1000, INT32_MAX, &limits->cpu_quota_ns)) {
            return refused(command, "--cpu-quota takes 1000 microseconds or more",
                           flags->cpu_quota);
        }
        limits->cpu_quota_ns *= 1000;
    }
    return true;
}

bool limits_parse(const char *command, const struct limit_flags *flags, struct limits *limits)
{
    *limits = (struct limits){LIMIT_UNSAID, LIMIT_UNSAID, LIMIT_UNSAID, LIMIT_UNSAID, LIMIT_UNSAID};
    if (flags->memory != NULL &&
        (size_parse(flags->memory, &limits->memory_bytes) != STATUS_OK ||
         limits->memory_bytes < MEMORY_MINIMUM || limits->memory_bytes > INT64_MAX)) {
        return refused(command, "--memory takes 1m or more, as in 64m or 1g", flags->memory);
    }
    if (flags->cpu_shares != NULL &&
        !bounded_parse(flags->cpu_shares, 2, 262144, &limits->cpu_weight)) {
        return refused(command, "--cpu-shares takes 2 to 262144", flags->cpu_shares);
    }
    if (flags->pids_limit != NULL &&
        !bounded_parse(flags->pids_limit, 1, THREADS_MAX, &limits->threads)) {
        return refused(command, "--pids-limit takes a number, or -1 for none", flags->pids_limit);
    }
    return flags->cpus != NULL ? cpus_parse(command, flags, limits)
                               : cpu_time_parse(command, flags, limits);
}

void limits_put(struct record_writer *records, const struct limits *limits)
{
    const struct {
        uint16_t tag;
        uint64_t value;
    } numbers[] = {
        {RECORD_MEMORY_LIMIT, limits->memory_bytes}, {RECORD_CPU_WEIGHT, limits->cpu_weight},
        {RECORD_CPU_QUOTA, limits->cpu_quota_ns},    {RECORD_CPU_PERIOD, limits->cpu_period_ns},
        {RECORD_THREADS_LIMIT, limits->threads},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        if (numbers[i].value != LIMIT_UNSAID) {
            record_put_number(records, numbers[i].tag, numbers[i].value);
        }
    }
}

static status_t update_one(struct connection *connection, const char *name,
                           const struct limits *limits, int *code)
{
    uint8_t bytes[8192];
    struct record_writer records;
    struct reply reply = {.status = STATUS_NOT_FOUND};
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, name);
    limits_put(&records, limits);
    if (!records.overflow) {
        status_t status = connection_request(connection, 0, CONTROL_UPDATE, &records, &reply);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (reply.status != STATUS_OK) {
        *code = container_refused(name, &reply);
        return STATUS_OK;
    }
    reply_free(&reply);
    printf("%s\n", name);
    return STATUS_OK;
}

int update_command(int argc, char **argv)
{
    struct limit_flags flags = {0};
    struct limits limits;
    const struct option options[] = {
        LIMIT_OPTIONS(flags),
        {"blkio-weight", 0, OPTION_LATER, NULL},
        {"cpu-rt-period", 0, OPTION_LATER, NULL},
        {"cpu-rt-runtime", 0, OPTION_LATER, NULL},
        {"cpuset-cpus", 0, OPTION_LATER, NULL},
        {"cpuset-mems", 0, OPTION_LATER, NULL},
        {"kernel-memory", 0, OPTION_LATER, NULL},
        {"memory-reservation", 0, OPTION_LATER, NULL},
        {"memory-swap", 0, OPTION_LATER, NULL},
        {"restart", 0, OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments) ||
        !limits_parse("update", &flags, &limits)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("update", "a container");
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < arguments.count; i++) {
        if (update_one(&connection, arguments.items[i], &limits, &code) != STATUS_OK) {
            return EXIT_OAK;
        }
    }
    connection_close(&connection);
    return code;
}
