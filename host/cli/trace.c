/* oak trace: record for some seconds, fetch what the rings hold, and write it down for Perfetto. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/cli/containers.h"
#include "host/cli/options.h"
#include "host/cli/trace_json.h"

#define SECONDS_MAX     3600
#define RINGS_BYTES_MAX (64ull << 20)

struct tracing {
    struct connection connection;
    uint32_t session;
};

/* False: it was printed. */
static bool ask(struct tracing *tracing, enum control_request request,
                const struct record_writer *records, struct reply *reply)
{
    if (connection_request(&tracing->connection, tracing->session, request, records, reply) !=
        STATUS_OK) {
        return false;
    }
    if (reply->status != STATUS_OK) {
        error_line(EXIT_OAK, "trace: %s",
                   reply->status == STATUS_BUSY ? "another oak trace is at work"
                                                : reply_message(reply));
        reply_free(reply);
        return false;
    }
    return true;
}

static bool trace_begin(struct tracing *tracing, struct trace_data *data)
{
    struct reply reply;
    if (!ask(tracing, CONTROL_TRACE_START, NULL, &reply)) {
        return false;
    }
    uint64_t size_bytes = records_number(reply.bytes, reply.length_bytes, RECORD_SIZE, 0);
    data->tsc_hz = records_number(reply.bytes, reply.length_bytes, RECORD_FREQUENCY, 0);
    reply_free(&reply);
    if (size_bytes > RINGS_BYTES_MAX || data->tsc_hz == 0) {
        error_line(EXIT_OAK, "trace: the engine's answer makes no sense");
        return false;
    }
    data->rings_bytes = size_bytes;
    data->rings = allocate(size_bytes);
    return true;
}

static void domain_add(struct trace_data *data, const struct record *record)
{
    char *name = records_text(record->value, record->length_bytes, RECORD_NAME);
    if (name == NULL) {
        return;
    }
    data->domains =
        allocate_again(data->domains, (data->domain_count + 1) * sizeof(*data->domains));
    data->domains[data->domain_count++] = (struct trace_domain){
        (uint32_t)records_number(record->value, record->length_bytes, RECORD_VALUE, 0), name};
}

static bool trace_end(struct tracing *tracing, struct trace_data *data)
{
    struct reply reply;
    struct record_reader reader;
    struct record record;
    if (!ask(tracing, CONTROL_TRACE_STOP, NULL, &reply)) {
        return false;
    }
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    while (record_next(&reader, &record) == STATUS_OK) {
        if (record.tag == RECORD_DOMAIN) {
            domain_add(data, &record);
        }
    }
    reply_free(&reply);
    return true;
}

/* The next piece of the rings; its size, or 0: printed. */
static size_t piece_read(struct tracing *tracing, struct trace_data *data, size_t offset)
{
    uint8_t bytes[32];
    struct record_writer records;
    struct reply reply;
    struct record_reader reader;
    struct record record;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_OFFSET, offset);
    if (!ask(tracing, CONTROL_TRACE_READ, &records, &reply)) {
        return 0;
    }
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    bool good = record_find(&reader, RECORD_DATA, &record) == STATUS_OK &&
                record.length_bytes > 0 && record.length_bytes <= data->rings_bytes - offset;
    if (good) {
        memcpy(data->rings + offset, record.value, record.length_bytes);
    } else {
        error_line(EXIT_OAK, "trace: the engine's answer makes no sense");
    }
    size_t length_bytes = good ? record.length_bytes : 0;
    reply_free(&reply);
    return length_bytes;
}

static bool trace_fetch(struct tracing *tracing, struct trace_data *data)
{
    for (size_t offset = 0; offset < data->rings_bytes;) {
        size_t length_bytes = piece_read(tracing, data, offset);
        if (length_bytes == 0) {
            return false;
        }
        offset += length_bytes;
    }
    return true;
}

static bool trace_record(struct tracing *tracing, uint64_t seconds, struct trace_data *data)
{
    if (!trace_begin(tracing, data)) {
        return false;
    }
    struct timespec left = {.tv_sec = (time_t)seconds};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    return trace_end(tracing, data) && trace_fetch(tracing, data);
}

static int trace_save(const struct trace_data *data, const char *path)
{
    bool complete;
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return error_line(EXIT_OAK, "trace: cannot write %s: %s", path, strerror(errno));
    }
    size_t count = trace_json_write(data, file, &complete);
    bool failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    if (failed) {
        return error_line(EXIT_OAK, "trace: cannot write %s", path);
    }
    note_line("%zu events in %s%s; ui.perfetto.dev opens it", count, path,
              complete ? "" : " (older ones were overwritten)");
    return 0;
}

static void data_free(struct trace_data *data)
{
    for (size_t i = 0; i < data->domain_count; i++) {
        free(data->domains[i].name);
    }
    free(data->domains);
    free(data->rings);
}

int trace_command(int argc, char **argv)
{
    const char *path = NULL;
    uint64_t seconds = 1;
    struct text_list arguments = {0};
    struct tracing tracing;
    struct trace_data data = {0};
    const struct option options[] = {{"output", 'o', OPTION_TEXT, &path}};
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (path == NULL || arguments.count > 1) {
        return usage_error("trace", "a file, and seconds at most");
    }
    if (arguments.count == 1 && (!number_parse(arguments.items[0], SECONDS_MAX, &seconds))) {
        return usage_error("trace", "seconds up to 3600");
    }
    int code = containers_connect(&tracing.connection);
    if (code != 0) {
        return code;
    }
    tracing.session = connection_session(&tracing.connection);
    code = trace_record(&tracing, seconds, &data) ? trace_save(&data, path) : EXIT_OAK;
    connection_close(&tracing.connection);
    data_free(&data);
    return code;
}
