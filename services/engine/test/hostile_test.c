/*
 * Proves that neither the host's end of the channel, nor what a client says in a request, nor a
 * personality, nor exhaustion does more harm than to the one it belongs to, and that nothing of it
 * stays behind.
 */
#include <string.h>

#include "services/engine/session.h"
#include "services/engine/test/harness.h"

static uint32_t random_state = 12345;

static uint32_t random_next(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static bool alive(struct client *client)
{
    struct result *result = asked(client, CONTROL_LIST, NULL);
    return result->came && result->status == STATUS_OK;
}

/* --- The channel --- */

static void test_channel(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *client = client_new();
    CHECK(alive(client) && session_count() == 1);
    frame_send(77, CONTROL_DATA, 0, 0, "x", 1);
    frame_send(77, CONTROL_CREDIT, 1, 1, NULL, 0);
    frame_send(77, CONTROL_EOF, 0, 0, NULL, 0);
    frame_send(77, CONTROL_RESIZE, 0, 1, NULL, 0);
    frame_send(77, CONTROL_CLOSE, 0, 0, NULL, 0);
    CHECK(session_count() == 1 && alive(client));
    proved("frames of sessions that are gone are ignored");
    frame_send(client->number, CONTROL_RESULT, 0, 0, NULL, 0);
    CHECK(session_count() == 0);
    frame_send(client->number, CONTROL_REQUEST, 1, CONTROL_LIST, NULL, 0);
    CHECK(session_count() == 0);
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t byte = (uint8_t)random_next(256);
        engine_input(&byte, 1);
    }
    CHECK(session_count() == 0 && found("one")->state == CONTAINER_RUNNING);
    proved("after what is no frame all sessions are ended, and nothing counts until a greeting");
    struct control_hello hello = {0};
    uint8_t bytes[2 * sizeof(struct control_frame) + sizeof(hello)];
    struct control_frame header = {sizeof(hello), 0, CONTROL_HELLO, 0, CONTROL_VERSION};
    struct control_frame request = {0, 9999, CONTROL_REQUEST, 1, CONTROL_LIST};
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), &hello, sizeof(hello));
    memcpy(bytes + sizeof(header) + sizeof(hello), &request, sizeof(request));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        engine_input(bytes + i, 1);
    }
    CHECK(session_count() == 1);
    frame_send(0, CONTROL_REQUEST, 5, CONTROL_MACHINE_SYNC, NULL, 0);
    CHECK(simulated_synchronised);
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    proved("the greeting is found in the rubbish, however it is cut");
}

static void test_sessions_limit(void)
{
    static uint8_t bytes[2 * FRAME_BYTES_MAX];
    harness_start();
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        frame_send(100000 + i, CONTROL_REQUEST, 1, CONTROL_LIST, NULL, 0);
    }
    frame_send(300000, CONTROL_MORE, 0, 0, "x", 1);
    frame_send(300000, CONTROL_REQUEST, 1, CONTROL_LIST, NULL, 0);
    CHECK(session_count() == SESSIONS_MAX);
    CHECK(engine_output(bytes, FRAME_BYTES_MAX) > 0);
    struct control_frame header;
    memcpy(&header, bytes, sizeof(header));
    CHECK(header.type == CONTROL_CLOSE && header.session == 300000);
    while (engine_output(bytes, sizeof(bytes)) > 0) {
    }
    proved("a session too many is closed, the others are served");
}

static void test_request_limits(void)
{
    static uint8_t zeros[CONTROL_FRAME_MAX];
    harness_start();
    struct client *other = client_new();
    struct client *client = client_new();
    for (uint32_t i = 0; i <= CONTROL_SPEC_MAX / CONTROL_FRAME_MAX; i++) {
        frame_send(client->number, CONTROL_MORE, 0, 0, zeros, CONTROL_FRAME_MAX);
    }
    settle();
    CHECK(client->closed && alive(other));
    uint32_t sessions = session_count();
    frame_send(client->number, CONTROL_REQUEST, 1, CONTROL_LIST, NULL, 0);
    settle();
    CHECK(session_count() == sessions);
    proved("a request without end closes its session, and what was under way does not open it");
    struct container *container = created("one", 0);
    client = client_new();
    ask_about(client, CONTROL_START, "one", 0, 0);
    for (uint32_t i = 0; i <= SESSION_BACKLOG_MAX && !client->closed; i++) {
        ask(client, CONTROL_LIST, NULL);
        settle();
    }
    CHECK(client->closed && alive(other));
    struct personality p = personality_of(container);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_OK);
    proved("requests without end behind a START close their session, the START goes on");
    client = client_new();
    for (uint32_t i = 0; i < SESSION_WAITS_MAX; i++) {
        frame_send(client->number, CONTROL_REQUEST, (uint16_t)(i % CLIENT_RESULTS), CONTROL_LIST,
                   NULL, 0);
    }
    client_close(client);
    client = client_new();
    for (uint32_t i = 0; i < SESSION_WAITS_MAX; i++) {
        CHECK(!asked_about(client, CONTROL_WAIT, "one", 0, 0)->came);
    }
    CHECK(asked_about(client, CONTROL_WAIT, "one", 0, 0)->status == STATUS_LIMIT_REACHED);
    client_close(client);
    CHECK(found("one")->process.waits == NULL);
    proved("WAITs are bounded, and go with their session");
}

static void test_results_limit(void)
{
    static uint8_t label[CONTAINER_LABEL_MAX];
    harness_start();
    struct client *other = client_new();
    memset(label, 'x', sizeof(label));
    for (uint32_t i = 0; i < 64; i++) {
        char name[16];
        uint8_t *bytes = malloc(CONTROL_SPEC_MAX);
        struct record_writer records;
        record_writer_init(&records, bytes, CONTROL_SPEC_MAX);
        snprintf(name, sizeof(name), "big%u", i);
        record_put_text(&records, RECORD_ID, id_of(name));
        record_put_text(&records, RECORD_NAME, name);
        record_put(&records, RECORD_BLOB, simulated_blob_name, 32);
        record_put_text(&records, RECORD_ARGUMENT, "x");
        record_put(&records, RECORD_LABEL, label, sizeof(label));
        CHECK(asked(other, CONTROL_CREATE, &records)->status == STATUS_OK);
        free(bytes);
    }
    struct client *client = client_new();
    struct client *second = client_new();
    struct client *third = client_new();
    for (uint32_t i = 0; i < 20; i++) {
        ask(client, CONTROL_LIST, NULL);
    }
    settle();
    CHECK(client->closed && alive(other));
    proved("a session that asks for more than it takes is closed");
    client = client_new();
    for (uint32_t i = 0; i < 15; i++) {
        ask(i < 9 ? second : client, CONTROL_LIST, NULL);
    }
    uint16_t small = ask_about(third, CONTROL_INSPECT, "none", 0, 0);
    uint16_t large = ask(third, CONTROL_LIST, NULL);
    settle();
    CHECK(!client->closed && !second->closed && alive(other));
    CHECK(third->result[small].came && third->result[small].status == STATUS_NOT_FOUND);
    CHECK(third->result[large].came && third->result[large].status == STATUS_NO_MEMORY);
    proved("when all results together are too many, small ones still come, large ones are refused");
}

/* --- Records --- */

static status_t create_with(struct client *client, const struct record_writer *records)
{
    struct result *result = asked(client, CONTROL_CREATE, records);
    CHECK(result->came && !client->closed);
    if (result->status == STATUS_OK) {
        struct container *container = NULL;
        for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
            container = container_at(i) != NULL ? container_at(i) : container;
        }
        container_delete(container);
    } else {
        CHECK(container_count() == 0);
    }
    return result->status;
}

static status_t create_plus(struct client *client, uint16_t tag, const void *value, size_t bytes)
{
    struct record_writer *records = specification("one", 0);
    record_put(records, tag, value, bytes);
    return create_with(client, records);
}

static void test_records(void)
{
    harness_start();
    struct client *client = client_new();
    struct record_writer *records = specification("one", 0);
    CHECK(create_with(client, records) == STATUS_OK);
    CHECK(create_plus(client, RECORD_HOSTNAME, "h\0st", 4) == STATUS_INVALID_ARGUMENT);
    CHECK(create_plus(client, RECORD_WINDOW, "1234", 4) == STATUS_INVALID_ARGUMENT);
    CHECK(create_plus(client, RECORD_NAME, "two", 3) == STATUS_INVALID_ARGUMENT);
    CHECK(create_plus(client, RECORD_EXIT_CODE, "", 0) == STATUS_INVALID_ARGUMENT);
    CHECK(create_plus(client, RECORD_FILE, "rubbish", 7) == STATUS_INVALID_ARGUMENT);
    CHECK(create_plus(client, RECORD_ARGUMENT, "", 0) == STATUS_OK);
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"a/b", ".hidden", "", "sp ace"};
        records = specification(names[i], 0);
        CHECK(create_with(client, records) == STATUS_INVALID_ARGUMENT);
    }
    records = specification("one", 0);
    records->length_bytes -= 4;
    CHECK(create_with(client, records) == STATUS_INVALID_ARGUMENT);
    CHECK(create_with(client, NULL) == STATUS_INVALID_ARGUMENT);
    proved("a specification whose records are malformed, twice there or unknown is refused");
    for (uint32_t round = 0; round < 20000; round++) {
        records = specification("one", 0);
        for (uint32_t i = 0; i <= random_next(3); i++) {
            records->bytes[random_next((uint32_t)records->length_bytes)] =
                (uint8_t)random_next(256);
        }
        (void)!create_with(client, records);
    }
    CHECK(alive(client));
    for (uint32_t type = 0; type < 80; type++) {
        for (uint32_t round = 0; round < 50; round++) {
            uint8_t bytes[64];
            struct record_writer rubbish = {bytes, sizeof(bytes), random_next(sizeof(bytes)),
                                            false};
            for (uint32_t i = 0; i < sizeof(bytes); i++) {
                bytes[i] = (uint8_t)random_next(random_next(2) != 0 ? 256 : 45);
            }
            struct client *fuzzer = client_new();
            CHECK(asked(fuzzer, type, &rubbish)->came);
            client_close(fuzzer);
        }
        harness_start();
    }
    proved("every request with rubbish in it is answered, and leaves nothing");
}

/* --- Personalities --- */

static void test_rings(void)
{
    harness_start();
    struct personality other = started("other", 0);
    struct client *follower = client_new();
    asked_about(follower, CONTROL_ATTACH, "other", 0, 0);
    for (uint32_t round = 0; round < 300; round++) {
        struct personality p = started("evil", WITH_STDIN);
        struct client *client = client_new();
        uint16_t attach = ask_about(client, CONTROL_ATTACH, "evil", 0, 0);
        uint16_t wait = ask_about(client, CONTROL_WAIT, "evil", 0, 0);
        CHECK(attach != wait);
        for (uint32_t step = 0; step < 8; step++) {
            uint32_t field = random_next(sizeof(struct channel_control) / 4);
            uint32_t value = random_next(2) != 0 ? random_next(1u << 24) << 8 : random_next(20000);
            memcpy(p.channel + 4 * field, &value, 4);
            frame_send(client->number, CONTROL_DATA, 0, 0, "some input", 10);
            CHECK(personality_moved(&p) == STATUS_OK);
            settle();
        }
        CHECK(personality_ended(&p, 1) == STATUS_OK);
        settle();
        CHECK(client->result[wait].came && !client->closed);
        client_close(client);
        container_delete(found("evil"));
        if (round % 50 == 49) {
            personality_say(&other, 1, "fine ");
            settle();
        }
        if (round % 100 == 99) {
            CHECK(follower->out_bytes[1] == 5 * (round / 50 + 1));
        }
    }
    proved("whatever stands in the rings' indices, the streams end, and others' go on");
}

static void test_calls(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct personality wrong = p;
    wrong.process = 5;
    CHECK(personality_ended(&wrong, 0) == STATUS_NOT_FOUND);
    CHECK(personality_moved(&wrong) == STATUS_NOT_FOUND);
    CHECK(personality_launched(&wrong, STATUS_OK, "") == STATUS_NOT_FOUND);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_BAD_STATE);
    wrong = p;
    wrong.badge ^= 1ull << 40;
    CHECK(personality_ended(&wrong, 0) == STATUS_NOT_FOUND);
    wrong.badge = p.badge + 1;
    CHECK(personality_ended(&wrong, 0) == STATUS_NOT_FOUND);
    for (uint32_t i = 0; i < 1000; i++) {
        struct service_call call = {.badge = p.badge,
                                    .header = MESSAGE_HEADER(CONTAINER_MISSING, 9, 0)};
        struct container_missing_request missing = {.counter = i, .name = {64, {0}}};
        memset(missing.name.data, (int)(1 + i % 255), 64);
        memcpy(call.request, &missing, sizeof(missing));
        status_t status = i < CHANNEL_MISSING ? STATUS_OK : STATUS_INVALID_ARGUMENT;
        CHECK(container_dispatch(&container_handlers, &call) == status);
        missing.counter = i % CHANNEL_MISSING; /* it has a name: the first stays */
        memcpy(call.request, &missing, sizeof(missing));
        CHECK(container_dispatch(&container_handlers, &call) == STATUS_OK);
    }
    uint32_t names = 0;
    for (const struct missing_call *m = found("one")->missing; m != NULL; m = m->next) {
        names++;
    }
    CHECK(names == CHANNEL_MISSING);
    container_delete(found("one"));
    CHECK(personality_ended(&p, 0) == STATUS_NOT_FOUND);
    proved("a personality that names what is not its own gets an error, and can fill nothing");
}

/* --- Exhaustion --- */

/* A bit of everything; any of it may fail. */
static void scenario(void)
{
    struct client *client = client_new();
    ask(client, CONTROL_CREATE, specification("one", WITH_STDIN));
    ask_about(client, CONTROL_ATTACH, id_of("one"), 0, 0);
    ask_about(client, CONTROL_START, id_of("one"), 0, 0);
    ask_about(client, CONTROL_WAIT, id_of("one"), 0, 0);
    frame_send(client->number, CONTROL_DATA, 0, 0, "input", 5);
    settle();
    struct container *container;
    if (container_find("one", 3, &container) != STATUS_OK ||
        container->process.state != PROCESS_LAUNCHING) {
        return;
    }
    struct personality p = personality_of(container);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_OK);
    personality_say(&p, 1, "output");
    settle();
    struct client *second = client_new();
    struct record_writer *records = specification("ignored", 0);
    record_put_text(records, RECORD_CONTAINER, "one");
    ask(second, CONTROL_EXEC, records);
    if (personality_next(&p).kind == CONTAINER_REQUEST_EXEC) {
        struct personality exec = {.badge = p.badge, .process = container->execs->number};
        CHECK(personality_launched(&exec, STATUS_OK, "") == STATUS_OK);
        CHECK(personality_ended(&exec, 0) == STATUS_OK);
    }
    asked_about(second, CONTROL_STATISTICS, "one", 0, 0);
    asked(second, CONTROL_LIST, NULL);
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    settle();
}

static void test_exhaustion(void)
{
    int64_t failures = 0;
    harness_start();
    for (bool failed = true; failed; failures++) {
        simulated_fail_after = failures;
        scenario();
        failed = simulated_fail_after < 0;
        harness_start();
    }
    CHECK(failures > 20);
    proved("each allocation failed once: an error for the one who asked, nothing left, no crash");
}

int main(void)
{
    engine_init();
    test_channel();
    test_sessions_limit();
    test_request_limits();
    test_results_limit();
    test_records();
    test_rings();
    test_calls();
    test_exhaustion();
    harness_end();
    return 0;
}
