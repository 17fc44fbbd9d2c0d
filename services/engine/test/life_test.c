/*
 * Proves the life of containers and processes as clients see it: every state and what each request
 * says in it, exit codes, launch failures, names, removal, faults, and that nothing is left behind.
 */
#include <string.h>

#include "services/engine/session.h"
#include "services/engine/test/harness.h"

static const char *state_of(struct client *client, const char *name)
{
    struct result *result = asked_about(client, CONTROL_INSPECT, name, 0, 0);
    static char text[32];
    struct record_reader reader;
    struct record state;
    struct record record;
    CHECK(result->came);
    if (result->status != STATUS_OK) {
        return "";
    }
    record_reader_init(&reader, result->bytes, result->length_bytes);
    CHECK(record_next(&reader, &state) == STATUS_OK && state.tag == RECORD_CONTAINER_STATE);
    record_reader_init(&reader, state.value, state.length_bytes);
    CHECK(record_find(&reader, RECORD_STATE, &record) == STATUS_OK);
    CHECK(record.length_bytes < sizeof(text));
    memcpy(text, record.value, record.length_bytes);
    text[record.length_bytes] = '\0';
    return text;
}

static void test_run(void)
{
    harness_start();
    struct client *client = client_new();
    /* As oak run does: everything at once, the requests after START wait for it. */
    uint16_t create = ask(client, CONTROL_CREATE, specification("one", 0));
    uint16_t attach = ask_about(client, CONTROL_ATTACH, id_of("one"), 0, 0);
    uint16_t start = ask_about(client, CONTROL_START, id_of("one"), 0, 0);
    uint16_t wait = ask_about(client, CONTROL_WAIT, id_of("one"), 0, 0);
    settle();
    CHECK(client->result[create].status == STATUS_OK && client->result[attach].came);
    CHECK(!client->result[start].came && !client->result[wait].came);
    struct personality p = personality_of(found("one"));
    uint64_t argument = simulated_domain(p.badge)->argument;
    CHECK(CONTAINER_ARGUMENT_IMAGE(argument) == 12345);
    CHECK(CONTAINER_ARGUMENT_SPECIFICATION(argument) > 0);
    CHECK(personality_next(&p).kind == CONTAINER_REQUEST_NONE);
    CHECK(strcmp(state_of(client_new(), "one"), "created") == 0);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_OK);
    settle();
    CHECK(client->result[start].came && client->result[start].status == STATUS_OK);
    CHECK(strcmp(state_of(client_new(), "one"), "running") == 0);
    personality_say(&p, 1, "out\n");
    personality_say(&p, 2, "err\n");
    settle();
    personality_say(&p, 1, "last words");
    CHECK(personality_ended(&p, 7) == STATUS_OK);
    settle();
    struct result *result = &client->result[wait];
    CHECK(client_got(client, 1, "out\nlast words") && client_got(client, 2, "err\n"));
    CHECK(result->came && result_number(result, RECORD_EXIT_CODE) == 7);
    CHECK(!result_has(result, RECORD_OOM_KILLED) && !result_has(result, RECORD_MESSAGE));
    CHECK(client->eof[1] != 0 && client->eof[2] != 0);
    CHECK(result->when > client->eof[1] && result->when > client->eof[2]);
    CHECK(strcmp(state_of(client_new(), "one"), "stopped") == 0);
    proved("CREATE, ATTACH, START and WAIT at once: output, both EOFs, then the exit code");
    CHECK(personality_ended(&p, 8) == STATUS_NOT_FOUND);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_NOT_FOUND);
    struct client *late = client_new();
    CHECK(result_number(asked_about(late, CONTROL_WAIT, "one", 0, 0), RECORD_EXIT_CODE) == 7);
    CHECK(asked_about(late, CONTROL_START, "one", 0, 0)->status == STATUS_BAD_STATE);
    CHECK(asked_about(late, CONTROL_KILL, "one", RECORD_SIGNAL, 15)->status == STATUS_BAD_STATE);
    CHECK(asked_about(late, CONTROL_EXEC, "one", 0, 0)->status == STATUS_BAD_STATE);
    CHECK(asked_about(late, CONTROL_ATTACH, "one", 0, 0)->status == STATUS_OK);
    CHECK(late->eof[1] != 0 && late->eof[2] != 0 && late->out_bytes[1] == 0);
    proved("after the end WAIT answers at once, and nothing runs again");
    CHECK(asked_about(late, CONTROL_REMOVE, "one", 0, 0)->status == STATUS_OK);
    CHECK(asked_about(late, CONTROL_INSPECT, "one", 0, 0)->status == STATUS_NOT_FOUND);
    proved("what is removed is not found");
}

/* A program may write, and even end, before the personality has reported its launch. */
static void test_fast(void)
{
    harness_start();
    struct client *client = client_new();
    uint16_t create = ask(client, CONTROL_CREATE, specification("one", 0));
    uint16_t attach = ask_about(client, CONTROL_ATTACH, id_of("one"), 0, 0);
    uint16_t start = ask_about(client, CONTROL_START, id_of("one"), 0, 0);
    uint16_t wait = ask_about(client, CONTROL_WAIT, id_of("one"), 0, 0);
    settle();
    CHECK(client->result[create].came && client->result[attach].came);
    struct personality p = personality_of(found("one"));
    CHECK(!client->result[start].came && containers_deadline() != UINT64_MAX);
    containers_late();
    CHECK(simulated_domain(p.badge)->interrupted == 1 && containers_deadline() != UINT64_MAX);
    personality_say(&p, 1, "early");
    settle();
    CHECK(client->result[start].came && client->result[start].status == STATUS_OK);
    CHECK(client_got(client, 1, "early") && client->first_out[1] > client->result[start].when);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_BAD_STATE);
    CHECK(containers_deadline() == UINT64_MAX);
    proved("what the container's own process writes says that it runs: the answer to START first");
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    settle();

    struct client *second = client_new();
    ask(second, CONTROL_CREATE, specification("two", 0));
    ask_about(second, CONTROL_ATTACH, id_of("two"), 0, 0);
    start = ask_about(second, CONTROL_START, id_of("two"), 0, 0);
    wait = ask_about(second, CONTROL_WAIT, id_of("two"), 0, 0);
    settle();
    struct personality q = personality_of(found("two"));
    personality_say(&q, 1, "short");
    CHECK(personality_ended(&q, 5) == STATUS_OK);
    settle();
    CHECK(second->result[start].came && second->result[start].status == STATUS_OK);
    CHECK(client_got(second, 1, "short"));
    CHECK(result_number(&second->result[wait], RECORD_EXIT_CODE) == 5);
    CHECK(personality_launched(&q, STATUS_OK, "") == STATUS_NOT_FOUND);
    proved("an end without a report of the launch is a good launch, and an end");
}

static void test_create_refused(void)
{
    struct record_writer *records;
    harness_start();
    struct client *client = client_new();
    created("one", 0);
    struct result *result = asked(client, CONTROL_CREATE, specification("one", 0));
    CHECK(result->status == STATUS_EXISTS && result_has(result, RECORD_MESSAGE));
    records = specification("small", 0);
    record_put_number(records, RECORD_MEMORY_LIMIT, 4096);
    result = asked(client, CONTROL_CREATE, records);
    CHECK(result->status == STATUS_INVALID_ARGUMENT);
    CHECK(strstr(result_text(result, RECORD_MESSAGE), "limit") != NULL);
    records = specification("other", 0);
    struct record_reader reader;
    struct record blob;
    record_reader_init(&reader, records->bytes, records->length_bytes);
    CHECK(record_find(&reader, RECORD_BLOB, &blob) == STATUS_OK);
    records->bytes[(const uint8_t *)blob.value - records->bytes] ^= 1;
    result = asked(client, CONTROL_CREATE, records);
    CHECK(result->status == STATUS_NOT_FOUND && result_has(result, RECORD_MESSAGE));
    simulated_template_missing = true;
    result = asked(client, CONTROL_CREATE, specification("two", 0));
    CHECK(result->status == STATUS_BAD_STATE && result_has(result, RECORD_MESSAGE));
    simulated_template_missing = false;
    CHECK(container_count() == 1);
    proved("a taken name, a tiny limit, an unknown image, no personality: refused with a line");
}

static void test_names(void)
{
    harness_start();
    struct client *client = client_new();
    char prefix[13] = {0};
    created("one", 0);
    created("two", 0);
    memcpy(prefix, id_of("two"), 12);
    CHECK(asked_about(client, CONTROL_INSPECT, prefix, 0, 0)->status == STATUS_OK);
    CHECK(asked_about(client, CONTROL_INSPECT, id_of("two"), 0, 0)->status == STATUS_OK);
    CHECK(asked_about(client, CONTROL_INSPECT, "", 0, 0)->status == STATUS_NOT_FOUND);
    CHECK(asked_about(client, CONTROL_INSPECT, "tw", 0, 0)->status == STATUS_NOT_FOUND);
    struct container *container;
    bool ambiguous = id_of("one")[0] == prefix[0];
    status_t status = container_find(prefix, 1, &container);
    CHECK(ambiguous ? status == STATUS_EXISTS : status == STATUS_OK);
    uint32_t made = 2;
    for (; status != STATUS_EXISTS && made < 20; made++) {
        char name[16];
        snprintf(name, sizeof(name), "more%u", made);
        created(name, 0);
        status = container_find(prefix, 1, &container);
    }
    CHECK(status == STATUS_EXISTS);
    struct result *result = asked(client, CONTROL_LIST, NULL);
    struct record_reader reader;
    struct record record;
    uint32_t listed = 0;
    record_reader_init(&reader, result->bytes, result->length_bytes);
    while (record_next(&reader, &record) == STATUS_OK) {
        CHECK(record.tag == RECORD_CONTAINER_STATE);
        listed++;
    }
    CHECK(listed == made);
    proved("names, identifiers and unique prefixes find a container; LIST shows all");
}

static void launch_failing(const char *name, status_t status, uint64_t code, unsigned int flags)
{
    struct client *client = client_new();
    struct container *container = created(name, flags);
    ask_about(client, CONTROL_ATTACH, name, 0, 0);
    uint16_t start = ask_about(client, CONTROL_START, name, 0, 0);
    uint16_t wait = ask_about(client, CONTROL_WAIT, name, 0, 0);
    settle();
    struct personality p = personality_of(container);
    CHECK(personality_launched(&p, status, "no\033[31mred\n") == STATUS_OK);
    settle();
    struct result *result = &client->result[start];
    CHECK(result->came && result->status == status);
    CHECK(strcmp(result_text(result, RECORD_MESSAGE), "no?[31mred?") == 0);
    CHECK(result_number(&client->result[wait], RECORD_EXIT_CODE) == code);
}

static void test_launch_failures(void)
{
    harness_start();
    launch_failing("missing", STATUS_NOT_FOUND, 127, 0);
    launch_failing("forbidden", STATUS_NOT_PERMITTED, 126, 0);
    launch_failing("odd", STATUS_IO_ERROR, 125, 0);
    CHECK(container_count() == 3);
    launch_failing("gone", STATUS_NOT_FOUND, 127, WITH_AUTO_REMOVE);
    CHECK(container_count() == 3);
    proved(
        "a program that is not there is 127, one that cannot run 126; messages are made harmless");
}

static void test_exec(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *client = client_new();
    struct record_writer *records = specification("ignored", WITH_STDIN);
    record_put_text(records, RECORD_CONTAINER, "one");
    uint16_t tag = ask(client, CONTROL_EXEC, records);
    struct personality exec = personality_exec(&p);
    settle();
    CHECK(!client->result[tag].came);
    CHECK(personality_launched(&exec, STATUS_OK, "") == STATUS_OK);
    settle();
    uint64_t number = result_number(&client->result[tag], RECORD_PROCESS);
    CHECK(number == exec.process);
    frame_send(client->number, CONTROL_DATA, 0, 0, "typed", 5);
    frame_send(client->number, CONTROL_EOF, 0, 0, NULL, 0);
    settle();
    char text[16];
    bool ended;
    CHECK(personality_read(&exec, text, sizeof(text), &ended) == 5 && !ended);
    CHECK(personality_read(&exec, text, sizeof(text), &ended) == 0 && ended);
    personality_say(&exec, 1, "done");
    CHECK(personality_ended(&exec, 3) == STATUS_OK);
    settle();
    CHECK(client_got(client, 1, "done") && client->eof[1] != 0);
    /* The CLI asks only now, when it knows the number. */
    struct result *result = asked_about(client, CONTROL_WAIT, "one", RECORD_PROCESS, number);
    CHECK(result_number(result, RECORD_EXIT_CODE) == 3);
    CHECK(found("one")->execs == NULL);
    proved("EXEC: stdin, output and exit code of its own, kept until its session has waited");
    struct client *second = client_new();
    tag = ask(second, CONTROL_EXEC, records);
    exec = personality_exec(&p);
    CHECK(personality_launched(&exec, STATUS_NOT_FOUND, "") == STATUS_OK);
    settle();
    CHECK(second->result[tag].status == STATUS_NOT_FOUND && second->eof[1] == 0);
    CHECK(found("one")->execs == NULL);
    tag = ask(second, CONTROL_EXEC, records);
    exec = personality_exec(&p);
    CHECK(personality_launched(&exec, STATUS_OK, "") == STATUS_OK);
    client_close(second);
    CHECK(found("one")->execs != NULL);
    CHECK(personality_ended(&exec, 0) == STATUS_OK);
    CHECK(found("one")->execs == NULL);
    proved("an EXEC that fails frees its session for another; a detached one leaves no record");
    struct client *third = client_new();
    tag = ask(third, CONTROL_EXEC, records);
    exec = personality_exec(&p);
    CHECK(personality_launched(&exec, STATUS_OK, "") == STATUS_OK);
    settle();
    uint16_t wait = ask_about(third, CONTROL_WAIT, "one", RECORD_PROCESS, exec.process);
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    settle();
    CHECK(result_number(&third->result[wait], RECORD_EXIT_CODE) == 137);
    proved("the end of a container is the end of its EXECs");
}

static void test_kill(void)
{
    harness_start();
    struct client *client = client_new();
    created("idle", 0);
    CHECK(asked_about(client, CONTROL_KILL, "idle", RECORD_SIGNAL, 9)->status == STATUS_BAD_STATE);
    struct personality p = started("one", 0);
    CHECK(asked_about(client, CONTROL_KILL, "one", RECORD_SIGNAL, 0)->status ==
          STATUS_INVALID_ARGUMENT);
    CHECK(asked_about(client, CONTROL_KILL, "one", RECORD_SIGNAL, 65)->status ==
          STATUS_INVALID_ARGUMENT);
    CHECK(asked_about(client, CONTROL_KILL, "one", RECORD_SIGNAL, 15)->status == STATUS_OK);
    struct container_next_request_reply next = personality_next(&p);
    CHECK(next.kind == CONTAINER_REQUEST_KILL && next.process == 0 && next.value == 15);
    CHECK(simulated_domain(p.badge)->interrupted > 0);
    uint32_t interrupted = simulated_domain(p.badge)->interrupted;
    personality_attend(&p);
    for (uint32_t i = 0; i < CONTAINER_QUEUE; i++) {
        CHECK(asked_about(client, CONTROL_KILL, "one", RECORD_SIGNAL, 1)->status == STATUS_OK);
    }
    CHECK(asked_about(client, CONTROL_KILL, "one", RECORD_SIGNAL, 1)->status == STATUS_BUSY);
    CHECK(simulated_domain(p.badge)->interrupted == interrupted);
    proved("the first thread is interrupted until somebody attends to the engine's events");
    uint16_t wait = ask_about(client, CONTROL_WAIT, "one", 0, 0);
    CHECK(asked_about(client, CONTROL_KILL, "one", RECORD_SIGNAL, 9)->status == STATUS_OK);
    CHECK(result_number(&client->result[wait], RECORD_EXIT_CODE) == 137);
    proved("signals reach the personality; SIGKILL ends even one that does not listen");
}

static void test_remove(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *client = client_new();
    struct client *follower = client_new();
    personality_say(&p, 1, "before");
    ask_about(follower, CONTROL_ATTACH, "one", 0, 0);
    uint16_t wait = ask_about(follower, CONTROL_WAIT, "one", 0, 0);
    settle();
    CHECK(asked_about(client, CONTROL_REMOVE, "one", 0, 0)->status == STATUS_BAD_STATE);
    CHECK(asked_about(client, CONTROL_REMOVE, "one", RECORD_FORCE, 1)->status == STATUS_OK);
    CHECK(result_number(&follower->result[wait], RECORD_EXIT_CODE) == 137);
    CHECK(follower->eof[1] != 0 && follower->result[wait].when > follower->eof[2]);
    CHECK(container_count() == 0);
    proved("REMOVE with FORCE ends it; who follows sees the end of the streams, then 137");
    struct personality q = started("two", WITH_AUTO_REMOVE);
    ask_about(client_new(), CONTROL_ATTACH, "two", 0, 0);
    client = client_new();
    wait = ask_about(client, CONTROL_WAIT, "two", 0, 0);
    settle();
    CHECK(personality_ended(&q, 4) == STATUS_OK && container_count() == 1);
    settle();
    CHECK(result_number(&client->result[wait], RECORD_EXIT_CODE) == 4 && container_count() == 0);
    struct personality r = started("three", WITH_AUTO_REMOVE);
    CHECK(personality_ended(&r, 0) == STATUS_OK && container_count() == 0);
    proved("a container that removes itself stays until everybody was told, and no longer");
    struct client *launcher = client_new();
    struct container *container = created("four", 0);
    uint16_t start = ask_about(launcher, CONTROL_START, "four", 0, 0);
    wait = ask_about(launcher, CONTROL_WAIT, "four", 0, 0);
    settle();
    struct personality s = personality_of(container);
    CHECK(asked_about(client, CONTROL_REMOVE, "four", RECORD_FORCE, 1)->status == STATUS_OK);
    CHECK(launcher->result[start].came && launcher->result[start].status == STATUS_CLOSED);
    CHECK(launcher->result[wait].came && launcher->result[wait].status == STATUS_NOT_FOUND);
    CHECK(personality_launched(&s, STATUS_OK, "") == STATUS_NOT_FOUND);
    proved("removed in the middle of its START, that and what came after it is answered");
}

static void test_fault(void)
{
    harness_start();
    struct personality p = started("one", 0);
    started("two", 0);
    struct client *client = client_new();
    uint16_t wait = ask_about(client, CONTROL_WAIT, "one", 0, 0);
    engine_faulted(CONTAINER_WATCH_BITS);
    settle();
    CHECK(!client->result[wait].came);
    simulated_domain(p.badge)->report = (struct domain_report){.fault.cause = TRAP_PAGE_FAULT};
    engine_faulted(simulated_domain(p.badge)->watch_bits);
    settle();
    struct result *result = &client->result[wait];
    CHECK(result_number(result, RECORD_EXIT_CODE) == 255 && result_has(result, RECORD_MESSAGE));
    CHECK(strcmp(state_of(client, "two"), "running") == 0);
    proved("a personality that faults ends its container, with a line that says so, and no other");
}

static void test_report(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *client = client_new();
    struct service_call call = {.badge = p.badge,
                                .header = MESSAGE_HEADER(CONTAINER_MISSING, 9, 0)};
    struct container_missing_request missing = {.counter = 3, .name = {8, "io_uring"}};
    memcpy(call.request, &missing, sizeof(missing));
    CHECK(container_dispatch(&container_handlers, &call) == STATUS_OK);
    struct result *result = asked_about(client, CONTROL_STATISTICS, "one", 0, 0);
    CHECK(result->status == STATUS_OK &&
          memmem(result->bytes, result->length_bytes, "missing.io_uring", 16) != NULL);
    struct container *container = NULL;
    CHECK(container_find("one", 3, &container) == STATUS_OK);
    struct channel_control *channel = (void *)container->process.channel.bytes;
    CHECK(container_missing_count(container, container->missing) == 0);
    channel->missing[3] = 5;
    CHECK(container_missing_count(container, container->missing) == 5);
    CHECK(asked(client, CONTROL_STATISTICS, NULL)->status == STATUS_OK);
    result = asked_about(client, CONTROL_AUTHORITY, "one", 0, 0);
    CHECK(strcmp(result_text(result, RECORD_AUTHORITY), "memory image read execute") == 0);
    CHECK(personality_ended(&p, 0) == STATUS_OK && container->process.channel.bytes == NULL);
    CHECK(container_missing_count(container, container->missing) == 5);
    proved("STATISTICS names missing calls and how often they were made, AUTHORITY every "
           "capability");
}

static void test_pause(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *client = client_new();
    const bool *frozen = &simulated_domain(p.badge)->frozen;
    CHECK(asked_about(client, CONTROL_UNPAUSE, "one", 0, 0)->status == STATUS_BAD_STATE);
    CHECK(asked_about(client, CONTROL_PAUSE, "one", 0, 0)->status == STATUS_OK && *frozen);
    struct result *result = asked_about(client, CONTROL_INSPECT, "one", 0, 0);
    CHECK(memmem(result->bytes, result->length_bytes, "paused", 6) != NULL);
    CHECK(asked_about(client, CONTROL_PAUSE, "one", 0, 0)->status == STATUS_BAD_STATE);
    CHECK(asked_about(client, CONTROL_EXEC, "one", 0, 0)->status == STATUS_BAD_STATE);
    CHECK(asked_about(client, CONTROL_UNPAUSE, "one", 0, 0)->status == STATUS_OK && !*frozen);
    CHECK(asked_about(client, CONTROL_PAUSE, "one", 0, 0)->status == STATUS_OK && *frozen);
    CHECK(asked_about(client, CONTROL_KILL, "one", RECORD_SIGNAL, 15)->status == STATUS_OK);
    CHECK(!*frozen);
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    CHECK(asked_about(client, CONTROL_PAUSE, "one", 0, 0)->status == STATUS_BAD_STATE);
    proved("PAUSE freezes what runs, once, until UNPAUSE or a signal");
    client_close(client);
    harness_end();
}

/* UPDATE of "one" with one number. */
static status_t update(struct client *client, uint16_t tag, uint64_t number)
{
    return asked_about(client, CONTROL_UPDATE, "one", tag, number)->status;
}

static void test_limits(void)
{
    harness_start();
    struct client *client = client_new();
    struct record_writer *records = specification("one", 0);
    record_put_number(records, RECORD_CPU_QUOTA, 50000000);
    record_put_number(records, RECORD_THREADS_LIMIT, 7);
    CHECK(asked(client, CONTROL_CREATE, records)->status == STATUS_OK);
    const struct container_limits *limits =
        &simulated_domain(container_badge(found("one")))->limits;
    CHECK(limits->cpu_quota_ns == 50000000 && limits->threads == 7 && limits->memory_bytes == 0);
    proved("CREATE takes limits of CPU time and threads");
    CHECK(update(client, RECORD_MEMORY_LIMIT, 64 << 20) == STATUS_OK);
    CHECK(update(client, RECORD_CPU_WEIGHT, 2048) == STATUS_OK);
    CHECK(update(client, RECORD_THREADS_LIMIT, 0) == STATUS_OK);
    CHECK(limits->memory_bytes == 64 << 20 && limits->cpu_weight == 2048 && limits->threads == 0 &&
          limits->cpu_quota_ns == 50000000);
    proved("UPDATE changes what it names and nothing else");
    CHECK(update(client, RECORD_MEMORY_LIMIT, 4096) == STATUS_INVALID_ARGUMENT);
    CHECK(update(client, RECORD_CPU_WEIGHT, 1) == STATUS_INVALID_ARGUMENT);
    CHECK(update(client, RECORD_CPU_WEIGHT, 262145) == STATUS_INVALID_ARGUMENT);
    CHECK(update(client, RECORD_CPU_QUOTA, 999999) == STATUS_INVALID_ARGUMENT);
    CHECK(update(client, RECORD_CPU_PERIOD, 999999) == STATUS_INVALID_ARGUMENT);
    CHECK(update(client, RECORD_CPU_PERIOD, 1000000001) == STATUS_INVALID_ARGUMENT);
    CHECK(limits->memory_bytes == 64 << 20 && limits->cpu_weight == 2048);
    CHECK(asked_about(client, CONTROL_UPDATE, "two", 0, 0)->status == STATUS_NOT_FOUND);
    proved("and refuses what no container can have");
    CHECK(asked_about(client, CONTROL_REMOVE, "one", RECORD_FORCE, 1)->status == STATUS_OK);
    client_close(client);
    harness_end();
}

static bool is_unsealed(const char *name)
{
    return simulated_domain(container_badge(found(name)))->unsealed;
}

static void test_seal(void)
{
    harness_start();
    CHECK(created("sealed", 0) != NULL && created("open", WITHOUT_SEAL) != NULL);
    CHECK(!is_unsealed("sealed") && is_unsealed("open"));
    struct record_writer *twice = specification("twice", WITHOUT_SEAL);
    record_put_number(twice, RECORD_UNSEALED, 0);
    CHECK(asked(client_new(), CONTROL_CREATE, twice)->status == STATUS_INVALID_ARGUMENT);
    CHECK(asked_about(client_new(), CONTROL_REMOVE, "sealed", 0, 0)->status == STATUS_OK);
    CHECK(asked_about(client_new(), CONTROL_REMOVE, "open", 0, 0)->status == STATUS_OK);
    proved("a container has its seal, unless its specification says otherwise");
}

static void test_blobs(void)
{
    harness_start();
    struct client *client = client_new();
    uint8_t bytes[256];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_SIZE, 40960);
    struct result *result = asked(client, CONTROL_BLOB_RESERVE, &records);
    uint64_t reservation = result_number(result, RECORD_RESERVATION);
    CHECK(reservation == 1 && result_has(result, RECORD_EXTENT));
    record_put_number(&records, RECORD_RESERVATION, reservation);
    record_put(&records, RECORD_BLOB, simulated_blob_name, 32);
    CHECK(asked(client_new(), CONTROL_BLOB_COMMIT, &records)->status == STATUS_NOT_FOUND);
    CHECK(asked(client, CONTROL_BLOB_COMMIT, &records)->status == STATUS_OK);
    CHECK(asked(client, CONTROL_BLOB_COMMIT, &records)->status == STATUS_NOT_FOUND);
    for (uint32_t i = 0; i < SESSION_RESERVATIONS; i++) {
        CHECK(asked(client, CONTROL_BLOB_RESERVE, &records)->status == STATUS_OK);
    }
    CHECK(asked(client, CONTROL_BLOB_RESERVE, &records)->status == STATUS_LIMIT_REACHED);
    client_close(client);
    CHECK(simulated_live == 0);
    client = client_new();
    CHECK(result_has(asked(client, CONTROL_BLOB_LIST, NULL), RECORD_BLOB));
    created("user", 0);
    CHECK(asked(client, CONTROL_BLOB_REMOVE, &records)->status == STATUS_BUSY);
    CHECK(asked_about(client, CONTROL_REMOVE, "user", 0, 0)->status == STATUS_OK);
    CHECK(asked(client, CONTROL_BLOB_REMOVE, &records)->status == STATUS_OK);
    proved("reservations belong to their session and go with it; a blob in use stays");
}

static void test_trace(void)
{
    struct client *client = client_new();
    struct client *other = client_new();
    created("traced", 0);
    CHECK(asked(client, CONTROL_TRACE_STOP, NULL)->status == STATUS_BAD_STATE);
    struct result *result = asked(client, CONTROL_TRACE_START, NULL);
    CHECK(result_number(result, RECORD_SIZE) == SIMULATED_TRACE_BYTES && simulated_trace_on());
    CHECK(result_number(result, RECORD_FREQUENCY) == 1000000000);
    CHECK(asked(other, CONTROL_TRACE_START, NULL)->status == STATUS_BUSY);
    CHECK(asked(other, CONTROL_TRACE_STOP, NULL)->status == STATUS_BUSY);
    uint8_t bytes[64];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_OFFSET, SIMULATED_TRACE_BYTES - 512);
    CHECK(asked(client, CONTROL_TRACE_READ, &records)->status == STATUS_BAD_STATE);
    CHECK(simulated_trace_on());
    CHECK(result_has(asked(client, CONTROL_TRACE_STOP, NULL), RECORD_DOMAIN));
    CHECK(!simulated_trace_on());
    CHECK(asked(other, CONTROL_TRACE_READ, &records)->status == STATUS_BUSY);
    result = asked(client, CONTROL_TRACE_READ, &records);
    struct record_reader reader;
    struct record data;
    record_reader_init(&reader, result->bytes, result->length_bytes);
    CHECK(record_find(&reader, RECORD_DATA, &data) == STATUS_OK && data.length_bytes == 512);
    CHECK(*(const uint8_t *)data.value == (uint8_t)((SIMULATED_TRACE_BYTES - 512) >> 8));
    record_put_number(&records, RECORD_OFFSET, 0); /* the first one counts */
    CHECK(asked(client, CONTROL_TRACE_READ, &records)->status == STATUS_OK);
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_OFFSET, SIMULATED_TRACE_BYTES);
    CHECK(asked(client, CONTROL_TRACE_READ, &records)->status == STATUS_OUT_OF_RANGE);
    CHECK(asked(client, CONTROL_TRACE_START, NULL)->status == STATUS_OK && simulated_trace_on());
    client_close(client);
    CHECK(!simulated_trace_on());
    CHECK(asked(other, CONTROL_TRACE_START, NULL)->status == STATUS_OK);
    client_close(other);
    CHECK(asked_about(client_new(), CONTROL_REMOVE, "traced", 0, 0)->status == STATUS_OK);
    proved("the trace is one session's, is read when it is off, and goes off with its session");
}

int main(void)
{
    engine_init();
    test_run();
    test_fast();
    test_create_refused();
    test_names();
    test_launch_failures();
    test_exec();
    test_kill();
    test_remove();
    test_fault();
    test_pause();
    test_limits();
    test_seal();
    test_blobs();
    test_report();
    test_trace();
    harness_end();
    return 0;
}
