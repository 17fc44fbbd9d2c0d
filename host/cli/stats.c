/* oak stats: what containers use, as docker shows it; CPU time is told between two looks. */
#include "host/cli/container_state.h"
#include "host/cli/containers.h"
#include "host/cli/format.h"
#include "host/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLEAR_SCREEN "\033[H\033[2J"

struct stats {
    bool all;
    bool once;
    bool full;
    const char *format;
    struct text_list names; /* empty: all that run */
};

/* One look at one container. */
struct usage {
    char *id;
    char *name;
    uint64_t cpu_ns;
    uint64_t uptime_ns; /* the machine's, then */
    uint64_t memory_bytes;
    uint64_t limit_bytes;
    uint64_t threads;
};

struct look {
    struct usage *items;
    size_t count;
};

static void look_free(struct look *look)
{
    for (size_t i = 0; i < look->count; i++) {
        free(look->items[i].id);
        free(look->items[i].name);
    }
    free(look->items);
    *look = (struct look){0};
}

static uint64_t counter(const struct reply *reply, const char *name)
{
    struct record_reader reader;
    struct record record;
    uint64_t value = 0;
    record_reader_init(&reader, reply->bytes, reply->length_bytes);
    while (record_next(&reader, &record) == STATUS_OK) {
        char *found = record.tag == RECORD_COUNTER
                          ? records_text(record.value, record.length_bytes, RECORD_NAME)
                          : NULL;
        if (found != NULL && strcmp(found, name) == 0) {
            value = records_number(record.value, record.length_bytes, RECORD_VALUE, 0);
        }
        free(found);
    }
    return value;
}

static void usage_add(struct look *look, const struct container_state *state,
                      const struct reply *counters)
{
    uint64_t machine_bytes = counter(counters, "machine.memory_bytes");
    bool limited = state->memory_limit != 0 && state->memory_limit < machine_bytes;
    look->items = allocate_again(look->items, (look->count + 1) * sizeof(*look->items));
    look->items[look->count++] = (struct usage){
        .id = text_copy(state->id),
        .name = text_copy(state->name),
        .cpu_ns = counter(counters, "cpu.ns"),
        .uptime_ns = counter(counters, "machine.uptime_ns"),
        .memory_bytes = counter(counters, "memory.bytes"),
        .limit_bytes = limited ? state->memory_limit : machine_bytes,
        .threads = counter(counters, "application.threads"),
    };
}

static bool wanted(const struct stats *stats, const struct container_state *state)
{
    for (size_t i = 0; i < stats->names.count; i++) {
        const char *name = stats->names.items[i];
        if (strcmp(name, state->name) == 0 || strncmp(name, state->id, strlen(name)) == 0) {
            return true;
        }
    }
    return stats->names.count == 0 && (stats->all || strcmp(state->state, "running") == 0);
}

/* CLOSED: the machine is gone. */
static status_t look_take(struct connection *connection, const struct stats *stats,
                          struct look *look)
{
    struct container_list list = {0};
    status_t status = container_list_get(connection, &list);
    for (size_t i = 0; i < list.count && status == STATUS_OK; i++) {
        struct reply counters;
        if (!wanted(stats, &list.items[i])) {
            continue;
        }
        status = container_ask(connection, CONTROL_STATISTICS, list.items[i].id, &counters);
        if (status == STATUS_OK) {
            if (counters.status == STATUS_OK) { /* else it has just gone */
                usage_add(look, &list.items[i], &counters);
            }
            reply_free(&counters);
        }
    }
    container_list_free(&list);
    return status;
}

/* Per cent of one CPU since the look before, in which it may not have been. */
static double cpu_percent(const struct look *before, const struct usage *now)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct usage *then = &before->items[i];
        if (strcmp(then->id, now->id) == 0 && now->uptime_ns > then->uptime_ns &&
            now->cpu_ns >= then->cpu_ns) {
            return 100.0 * (double)(now->cpu_ns - then->cpu_ns) /
                   (double)(now->uptime_ns - then->uptime_ns);
        }
    }
    return 0;
}

/* Docker's: four digits and a binary unit. */
static char *memory_text(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_LENGTH(units)) {
        value /= 1024;
        unit++;
    }
    return text_format("%.4g%s", value, units[unit]);
}

#define STATS_COLUMNS 8
enum column {
    COLUMN_ID,
    COLUMN_NAME,
    COLUMN_CPU,
    COLUMN_MEMORY,
    COLUMN_MEMORY_PERCENT,
    COLUMN_NETWORK,
    COLUMN_BLOCK,
    COLUMN_PIDS,
};

static void cells_make(const struct stats *stats, const struct look *before,
                       const struct usage *usage, char *cells[STATS_COLUMNS])
{
    char *used = memory_text(usage->memory_bytes);
    char *limit = memory_text(usage->limit_bytes);
    double share = usage->limit_bytes == 0
                       ? 0
                       : 100.0 * (double)usage->memory_bytes / (double)usage->limit_bytes;
    cells[COLUMN_ID] = text_format("%.*s", stats->full ? 64 : 12, usage->id);
    cells[COLUMN_NAME] = text_copy(usage->name);
    cells[COLUMN_CPU] = text_format("%.2f%%", cpu_percent(before, usage));
    cells[COLUMN_MEMORY] = text_format("%s / %s", used, limit);
    cells[COLUMN_MEMORY_PERCENT] = text_format("%.2f%%", share);
    cells[COLUMN_NETWORK] = text_copy("0B / 0B"); /* it has none */
    cells[COLUMN_BLOCK] = text_copy("0B / 0B");   /* its files are memory */
    cells[COLUMN_PIDS] = text_format("%llu", (unsigned long long)usage->threads);
    free(used);
    free(limit);
}

static void row_print(const char *format, char *const *cells)
{
    static const struct {
        const char *key;
        enum column column;
    } fields[] = {
        {"BlockIO", COLUMN_BLOCK},
        {"CPUPerc", COLUMN_CPU},
        {"Container", COLUMN_ID},
        {"ID", COLUMN_ID},
        {"MemPerc", COLUMN_MEMORY_PERCENT},
        {"MemUsage", COLUMN_MEMORY},
        {"Name", COLUMN_NAME},
        {"NetIO", COLUMN_NETWORK},
        {"PIDs", COLUMN_PIDS},
    };
    json_t *row = json_object();
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        json_object_set_new(row, fields[i].key, json_text(cells[fields[i].column]));
    }
    format_print(format, row);
    json_decref(row);
}

static void look_print(const struct stats *stats, const struct look *before, const struct look *now)
{
    static const char *const titles[STATS_COLUMNS] = {"CONTAINER ID",      "NAME",  "CPU %",
                                                      "MEM USAGE / LIMIT", "MEM %", "NET I/O",
                                                      "BLOCK I/O",         "PIDS"};
    struct table table = {.titles = titles, .columns = STATS_COLUMNS};
    for (size_t i = 0; i < now->count; i++) {
        char *cells[STATS_COLUMNS];
        cells_make(stats, before, &now->items[i], cells);
        if (stats->format == NULL) {
            table_add(&table, cells);
            continue;
        }
        row_print(stats->format, cells);
        for (size_t column = 0; column < STATS_COLUMNS; column++) {
            free(cells[column]);
        }
    }
    if (stats->format == NULL) {
        if (!stats->once) {
            fputs(CLEAR_SCREEN, stdout);
        }
        table_print(&table);
    }
    table_free(&table);
    fflush(stdout);
}

static status_t stats_show(struct connection *connection, const struct stats *stats)
{
    struct look before = {0};
    status_t status = look_take(connection, stats, &before);
    bool again = true;
    while (status == STATUS_OK && again) {
        struct look now = {0};
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        status = look_take(connection, stats, &now);
        if (status == STATUS_OK) {
            look_print(stats, &before, &now);
        }
        look_free(&before);
        before = now;
        again = !stats->once && !ferror(stdout);
    }
    look_free(&before);
    return status;
}

/* Every name must be there at first. The exit code. */
static int names_check(struct connection *connection, const struct stats *stats)
{
    for (size_t i = 0; i < stats->names.count; i++) {
        struct reply reply;
        if (container_ask(connection, CONTROL_INSPECT, stats->names.items[i], &reply) !=
            STATUS_OK) {
            return EXIT_OAK;
        }
        if (reply.status != STATUS_OK) {
            return container_refused(stats->names.items[i], &reply);
        }
        reply_free(&reply);
    }
    return 0;
}

int stats_command(int argc, char **argv)
{
    struct stats stats = {0};
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, &stats.all},
        {"no-stream", 0, OPTION_FLAG, &stats.once},
        {"no-trunc", 0, OPTION_FLAG, &stats.full},
        {"format", 0, OPTION_TEXT, &stats.format},
    };
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &stats.names) ||
        (stats.format != NULL && !format_check("stats", stats.format))) {
        return EXIT_OAK;
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    code = names_check(&connection, &stats);
    if (code == 0 && stats_show(&connection, &stats) != STATUS_OK) {
        code = EXIT_OAK;
    }
    connection_close(&connection);
    return code;
}
