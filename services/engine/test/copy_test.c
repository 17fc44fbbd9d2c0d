/*
 * Proves that a copy through the engine is lossless with back pressure, answered when the
 * personality says that it is done, ended with the session that wanted it, and refused with a line
 * where it cannot be.
 */
#include <string.h>

#include "services/engine/session.h"
#include "services/engine/test/harness.h"

#define BIG (600u << 10)

static uint8_t pattern[BIG];

/* A copy that the personality has been told of. */
struct copying {
    struct client *client;
    uint16_t tag;
    struct personality p;
};

static struct record_writer *path_records(const char *container, const char *path)
{
    static uint8_t bytes[512];
    static struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, container);
    record_put_text(&records, RECORD_PATH, path);
    return &records;
}

static struct copying copy_begin(const struct personality *p, enum control_request type)
{
    struct copying copying = {.client = client_new()};
    copying.tag = ask(copying.client, type, path_records("one", "/some/where"));
    copying.p = personality_process(p, type == CONTROL_COPY_OUT ? CONTAINER_REQUEST_COPY_OUT
                                                                : CONTAINER_REQUEST_COPY_IN);
    settle();
    CHECK(!copying.client->result[copying.tag].came);
    return copying;
}

static uint32_t write_all(struct personality *p, uint32_t from, uint32_t to)
{
    uint32_t written;
    while (from < to && (written = personality_write(p, 1, pattern + from, to - from)) > 0) {
        from += written;
        settle();
    }
    return from;
}

static void test_out(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct copying copying = copy_begin(&p, CONTROL_COPY_OUT);
    struct client *client = copying.client;
    client->holds_credit = true;
    uint32_t written = write_all(&copying.p, 0, BIG);
    CHECK(written < CONTROL_WINDOW + EXEC_LOG_BYTES && client->out_bytes[1] == CONTROL_WINDOW);
    client->holds_credit = false;
    frame_send(client->number, CONTROL_CREDIT, 1, CONTROL_WINDOW, NULL, 0);
    settle();
    CHECK(write_all(&copying.p, written, BIG) == BIG);
    CHECK(personality_launched(&copying.p, STATUS_OK, "") == STATUS_OK);
    CHECK(personality_ended(&copying.p, 0) == STATUS_OK);
    settle();
    CHECK(client->out_bytes[1] == BIG && memcmp(client->out[1], pattern, BIG) == 0);
    CHECK(client->result[copying.tag].status == STATUS_OK && client->eof[1] != 0);
    CHECK(!result_has(&client->result[copying.tag], RECORD_PROCESS));
    client_close(client);
    CHECK(found("one")->execs == NULL);
    proved("COPY_OUT passes everything on, waits for a slow client, and ends with EOF");
}

static void test_in(void)
{
    harness_start();
    bool ended = false;
    uint8_t bytes[4096];
    uint32_t total = 0;
    uint32_t got;
    struct personality p = started("one", 0);
    struct copying copying = copy_begin(&p, CONTROL_COPY_IN);
    struct client *client = copying.client;
    for (uint32_t from = 0; from < 60000; from += 15000) {
        frame_send(client->number, CONTROL_DATA, 0, 0, pattern + from, 15000);
    }
    frame_send(client->number, CONTROL_EOF, 0, 0, NULL, 0);
    settle();
    while ((got = personality_read(&copying.p, bytes, sizeof(bytes), &ended)) > 0) {
        CHECK(memcmp(bytes, pattern + total, got) == 0);
        total += got;
        settle();
    }
    CHECK(total == 60000 && ended && !client->result[copying.tag].came);
    CHECK(personality_launched(&copying.p, STATUS_OK, "") == STATUS_OK);
    CHECK(personality_ended(&copying.p, 0) == STATUS_OK);
    settle();
    CHECK(client->result[copying.tag].status == STATUS_OK);
    client_close(client);
    proved("COPY_IN passes everything on, and is answered when all is unpacked");
    copying = copy_begin(&p, CONTROL_COPY_IN);
    for (uint32_t i = 0; i < 3; i++) {
        frame_send(copying.client->number, CONTROL_DATA, 0, 0, pattern, 15000);
    }
    settle();
    CHECK(personality_launched(&copying.p, STATUS_NOT_PERMITTED, "a: read-only") == STATUS_OK);
    settle();
    struct result *result = &copying.client->result[copying.tag];
    CHECK(result->status == STATUS_NOT_PERMITTED);
    CHECK(strcmp(result_text(result, RECORD_MESSAGE), "a: read-only") == 0);
    frame_send(copying.client->number, CONTROL_DATA, 0, 0, pattern, 15000);
    settle();
    CHECK(!copying.client->closed && copying.client->credit >= 40000);
    client_close(copying.client);
    CHECK(found("one")->execs == NULL);
    proved("one that fails says why, and what the client sends still is thrown away");
}

static void test_ends(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct copying copying = copy_begin(&p, CONTROL_COPY_OUT);
    write_all(&copying.p, 0, 1000);
    client_close(copying.client);
    struct container_next_request_reply next = personality_next(&p);
    CHECK(next.kind == CONTAINER_REQUEST_KILL && next.process == copying.p.process);
    CHECK(next.value == SIGNAL_KILL);
    CHECK(personality_launched(&copying.p, STATUS_INTERRUPTED, "") == STATUS_OK);
    CHECK(found("one")->execs == NULL);
    proved("a copy that nobody wants any more is killed");
    copying = copy_begin(&p, CONTROL_COPY_IN);
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    settle();
    struct result *result = &copying.client->result[copying.tag];
    CHECK(result->status == STATUS_BAD_STATE && result_has(result, RECORD_MESSAGE));
    proved("one whose container ends says so");
}

static void test_refused(void)
{
    harness_start();
    created("new", 0);
    struct client *client = client_new();
    struct result *result = asked(client, CONTROL_COPY_OUT, path_records("new", "/etc"));
    CHECK(result->status == STATUS_BAD_STATE && result_has(result, RECORD_MESSAGE));
    struct personality p = started("one", 0);
    static const char *const bad[] = {"", "relative", "../up"};
    for (uint32_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        result = asked(client, CONTROL_COPY_IN, path_records("one", bad[i]));
        CHECK(result->status == STATUS_INVALID_ARGUMENT);
    }
    struct record_writer *records = path_records("one", "/a");
    record_put_text(records, RECORD_PATH, "/b");
    CHECK(asked(client, CONTROL_COPY_OUT, records)->status == STATUS_INVALID_ARGUMENT);
    records = path_records("one", "/a");
    record_put_text(records, RECORD_USER, "root");
    CHECK(asked(client, CONTROL_COPY_OUT, records)->status == STATUS_INVALID_ARGUMENT);
    simulated_log_pages = EXEC_LOG_BYTES / PAGE_SIZE - 1;
    result = asked(client, CONTROL_COPY_OUT, path_records("one", "/etc"));
    CHECK(result->status == STATUS_NO_MEMORY && result_has(result, RECORD_MESSAGE));
    simulated_log_pages = -1;
    CHECK(found("one")->execs == NULL);
    asked_about(client, CONTROL_ATTACH, "one", 0, 0);
    result = asked(client, CONTROL_COPY_OUT, path_records("one", "/etc"));
    CHECK(result->status == STATUS_BUSY);
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    result = asked(client_new(), CONTROL_COPY_OUT, path_records("one", "/etc"));
    CHECK(result->status == STATUS_BAD_STATE && result_has(result, RECORD_MESSAGE));
    proved("malformed requests, no memory, a busy session, a container that does not run: refused");
}

int main(void)
{
    engine_init();
    for (uint32_t i = 0; i < BIG; i++) {
        pattern[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    test_out();
    test_in();
    test_ends();
    test_refused();
    harness_end();
    return 0;
}
