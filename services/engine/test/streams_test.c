/*
 * Proves the streams: every byte arrives once and in order through rings, log and credit; each side
 * that stops holds up itself and nobody else; stdin's credit and end; what LOGS shows.
 */
#include <string.h>

#include "services/engine/session.h"
#include "services/engine/test/harness.h"

#define BIG (1u << 20)

static uint8_t pattern[BIG];

static void pattern_fill(void)
{
    uint32_t state = 1;
    for (uint32_t i = 0; i < BIG; i++) {
        state = state * 1664525 + 1013904223;
        pattern[i] = (uint8_t)(state >> 24);
    }
}

static struct client *follower(const char *name)
{
    struct client *client = client_new();
    CHECK(asked_about(client, CONTROL_ATTACH, name, 0, 0)->status == STATUS_OK);
    return client;
}

static bool got_pattern(const struct client *client, int stream, uint32_t length)
{
    return client->out_bytes[stream] == length && memcmp(client->out[stream], pattern, length) == 0;
}

/* Write until all is gone, or nothing moves any more; returns how much went. */
static uint32_t write_all(struct personality *p, int stream, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t written = personality_write(p, stream, pattern + from, to - from);
        from += written;
        settle();
        if (written == 0) {
            break;
        }
    }
    return from;
}

static void test_output(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *client = follower("one");
    CHECK(write_all(&p, 1, 0, BIG) == BIG);
    personality_say(&p, 2, "err");
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    settle();
    CHECK(got_pattern(client, 1, BIG) && client_got(client, 2, "err"));
    proved("a megabyte comes out unchanged, far more than ring, log and credit hold at once");
}

static void test_stall(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct personality q = started("two", 0);
    struct client *stalled = follower("one");
    struct client *other = follower("two");
    stalled->holds_credit = true;
    uint32_t written = write_all(&p, 1, 0, BIG);
    CHECK(written < CONTAINER_LOG_BYTES && stalled->out_bytes[1] == CONTROL_WINDOW);
    CHECK(write_all(&q, 1, 0, BIG) == BIG);
    CHECK(got_pattern(other, 1, BIG));
    CHECK(asked_about(stalled, CONTROL_INSPECT, "one", 0, 0)->status == STATUS_OK);
    proved("a session that returns no credit stalls its own process, and nothing else");
    struct client *logs = client_new();
    asked_about(logs, CONTROL_LOGS, "one", 0, 0);
    CHECK(logs->eof[1] != 0 && logs->out_bytes[1] > CONTROL_WINDOW);
    CHECK(memcmp(logs->out[1], pattern, logs->out_bytes[1]) == 0);
    proved("LOGS of a process that is held up are not");
    simulated_domain(p.badge)->events = 0;
    stalled->holds_credit = false;
    frame_send(stalled->number, CONTROL_CREDIT, 1, CONTROL_WINDOW, NULL, 0);
    settle();
    CHECK((simulated_domain(p.badge)->events & EVENT_OUTPUT) != 0);
    CHECK(write_all(&p, 1, written, BIG) == BIG);
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    settle();
    CHECK(got_pattern(stalled, 1, BIG));
    proved("when it returns credit, the process goes on and nothing is lost");
}

static void test_end_while_stalled(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *stalled = follower("one");
    uint16_t wait = ask_about(stalled, CONTROL_WAIT, "one", 0, 0);
    stalled->holds_credit = true;
    uint32_t written = write_all(&p, 1, 0, BIG);
    uint32_t errors = write_all(&p, 2, 0, BIG);
    CHECK(errors == CHANNEL_RING_BYTES && personality_ended(&p, 5) == STATUS_OK);
    settle();
    CHECK(!stalled->result[wait].came && stalled->eof[1] == 0);
    stalled->holds_credit = false;
    frame_send(stalled->number, CONTROL_CREDIT, 1, CONTROL_WINDOW, NULL, 0);
    settle();
    CHECK(got_pattern(stalled, 1, written) && got_pattern(stalled, 2, errors));
    CHECK(stalled->result[wait].came && stalled->result[wait].when > stalled->eof[1]);
    proved("what full rings hold at the end is delivered, and only then WAIT is answered");
}

static void test_stalled_leaves(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *stalled = follower("one");
    stalled->holds_credit = true;
    uint32_t written = write_all(&p, 1, 0, BIG);
    client_close(stalled);
    CHECK(write_all(&p, 1, written, BIG) == BIG);
    proved("a stalled session that goes away frees its process");
    struct client *hostile = follower("one");
    hostile->holds_credit = true;
    CHECK(write_all(&p, 1, 0, BIG) < BIG);
    frame_send(hostile->number, CONTROL_CREDIT, 2, 1, NULL, 0);
    settle();
    CHECK(hostile->closed && write_all(&p, 1, 0, BIG) == BIG);
    proved("and so does one that invents credit: it is closed");
}

/* Takes all there is of stdin, compares it, returns how much it was in all. */
static uint32_t drain_stdin(struct personality *p, uint32_t total, bool *ended)
{
    uint8_t bytes[4096];
    uint32_t got;
    while ((got = personality_read(p, bytes, sizeof(bytes), ended)) > 0) {
        CHECK(memcmp(bytes, pattern + total, got) == 0);
        total += got;
        settle();
    }
    return total;
}

static void test_input(void)
{
    harness_start();
    struct client *client = client_new();
    struct container *container = created("one", WITH_STDIN);
    ask_about(client, CONTROL_ATTACH, "one", 0, 0);
    ask_about(client, CONTROL_START, "one", 0, 0);
    settle();
    struct personality p = personality_of(container);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_OK);
    uint32_t sent = 0;
    uint32_t taken = 0;
    bool ended = false;
    while (sent < BIG) {
        while (sent - client->credit < CONTROL_WINDOW && sent < BIG) {
            uint32_t part = MIN(CONTROL_WINDOW - (sent - client->credit), BIG - sent);
            part = MIN(part, (uint32_t)CONTROL_FRAME_MAX);
            frame_send(client->number, CONTROL_DATA, 0, 0, pattern + sent, part);
            sent += part;
        }
        settle();
        taken = drain_stdin(&p, taken, &ended);
        CHECK(!ended);
    }
    frame_send(client->number, CONTROL_EOF, 0, 0, NULL, 0);
    settle();
    taken = drain_stdin(&p, taken, &ended);
    CHECK(taken == BIG && ended && !client->closed);
    proved("a megabyte goes in unchanged under credit, and its end after it");
    uint32_t credit = client->credit;
    frame_send(client->number, CONTROL_DATA, 0, 0, pattern, CONTROL_FRAME_MAX);
    settle();
    CHECK(!client->closed && client->credit >= credit + CONTROL_FRAME_MAX);
    CHECK(drain_stdin(&p, taken, &ended) == BIG && ended);
    proved("what comes after the end is thrown away, its credit returned");
}

static void test_input_bounded(void)
{
    harness_start();
    struct personality p = started("one", WITH_STDIN);
    struct client *client = follower("one");
    for (uint32_t i = 0; i < CONTROL_WINDOW / CONTROL_FRAME_MAX; i++) {
        frame_send(client->number, CONTROL_DATA, 0, 0, pattern, CONTROL_FRAME_MAX);
    }
    settle();
    CHECK(!client->closed && client->credit <= CHANNEL_RING_BYTES);
    struct client *second = follower("one");
    frame_send(second->number, CONTROL_DATA, 0, 0, "x", 1);
    settle();
    frame_send(client->number, CONTROL_DATA, 0, 0, pattern, CONTROL_FRAME_MAX);
    settle();
    CHECK(client->closed && !second->closed);
    client_close(second);
    bool ended;
    uint8_t bytes[64];
    CHECK(personality_read(&p, bytes, sizeof(bytes), &ended) > 0 && !ended);
    proved("stdin beyond the credit closes the session that sent it, no other");
}

static void test_input_end(void)
{
    harness_start();
    bool ended;
    uint8_t byte;
    struct personality p = started("closed", 0);
    CHECK(personality_read(&p, &byte, 1, &ended) == 0 && ended);
    struct personality q = started("open", WITH_STDIN);
    struct client *guest = follower("open");
    frame_send(guest->number, CONTROL_EOF, 0, 0, NULL, 0);
    client_close(guest);
    CHECK(personality_read(&q, &byte, 1, &ended) == 0 && !ended);
    struct client *owner = client_new();
    struct container *container = created("owned", WITH_STDIN);
    ask_about(owner, CONTROL_ATTACH, "owned", 0, 0);
    ask_about(owner, CONTROL_START, "owned", 0, 0);
    settle();
    struct personality r = personality_of(container);
    CHECK(personality_launched(&r, STATUS_OK, "") == STATUS_OK);
    client_close(owner);
    CHECK(personality_read(&r, &byte, 1, &ended) == 0 && ended);
    CHECK(found("owned")->state == CONTAINER_RUNNING);
    proved("stdin ends at once without -i, with the session that started it, not with a guest");
}

static void test_resize(void)
{
    harness_start();
    struct personality p = started("one", WITH_STDIN | WITH_TERMINAL);
    struct client *client = follower("one");
    for (uint32_t rows = 1; rows <= 100; rows++) {
        frame_send(client->number, CONTROL_RESIZE, 0, rows << 16 | 80, NULL, 0);
    }
    struct container_next_request_reply next = personality_next(&p);
    CHECK(next.kind == CONTAINER_REQUEST_RESIZE && next.value == (100 << 16 | 80));
    CHECK(personality_next(&p).kind == CONTAINER_REQUEST_NONE);
    client = client_new();
    struct container *container = created("two", WITH_TERMINAL);
    ask_about(client, CONTROL_ATTACH, "two", 0, 0);
    ask_about(client, CONTROL_START, "two", 0, 0);
    frame_send(client->number, CONTROL_RESIZE, 0, 24 << 16 | 80, NULL, 0);
    settle();
    struct personality q = personality_of(container);
    CHECK(personality_next(&q).kind == CONTAINER_REQUEST_NONE);
    CHECK(personality_launched(&q, STATUS_OK, "") == STATUS_OK);
    CHECK(personality_next(&q).value == (24 << 16 | 80));
    proved("of many sizes of a terminal the last one counts, and one that came early is kept");
}

static void test_logs(void)
{
    harness_start();
    struct personality p = started("one", 0);
    personality_say(&p, 1, "first\nsecond\n");
    personality_say(&p, 2, "third\n");
    settle();
    struct client *client = client_new();
    struct result *result = asked_about(client, CONTROL_LOGS, "one", 0, 0);
    CHECK(result->status == STATUS_OK && client->eof[1] > result->when && client->eof[2] != 0);
    CHECK(client_got(client, 1, "first\nsecond\n") && client_got(client, 2, "third\n"));
    CHECK(asked_about(client, CONTROL_LOGS, "one", 0, 0)->status == STATUS_BUSY);
    client = client_new();
    asked_about(client, CONTROL_LOGS, "one", RECORD_TAIL, 2);
    CHECK(client_got(client, 1, "second\n") && client_got(client, 2, "third\n"));
    client = client_new();
    asked_about(client, CONTROL_LOGS, "one", RECORD_TAIL, 0);
    CHECK(client_got(client, 1, "") && client_got(client, 2, "") && client->eof[1] != 0);
    proved("LOGS shows what was written, or its last lines, and ends");
    struct client *following = client_new();
    asked_about(following, CONTROL_LOGS, "one", RECORD_FOLLOW, 1);
    CHECK(following->eof[1] == 0);
    personality_say(&p, 1, "fourth\n");
    settle();
    CHECK(client_got(following, 1, "first\nsecond\nfourth\n"));
    CHECK(personality_ended(&p, 0) == STATUS_OK);
    settle();
    CHECK(following->eof[1] != 0 && following->eof[2] != 0);
    client = client_new();
    asked_about(client, CONTROL_LOGS, "one", RECORD_FOLLOW, 1);
    CHECK(client_got(client, 1, "first\nsecond\nfourth\n") && client->eof[2] != 0);
    proved("LOGS with FOLLOW goes on until the end, and shows an ended container, too");
}

static void test_logs_overtaken(void)
{
    harness_start();
    struct personality p = started("one", 0);
    struct client *client = client_new();
    client->holds_credit = true;
    CHECK(write_all(&p, 1, 0, 1000) == 1000);
    asked_about(client, CONTROL_LOGS, "one", RECORD_FOLLOW, 1);
    CHECK(write_all(&p, 1, 1000, BIG) == BIG);
    client->holds_credit = false;
    frame_send(client->number, CONTROL_CREDIT, 1, CONTROL_WINDOW, NULL, 0);
    settle();
    uint32_t got = client->out_bytes[1];
    CHECK(got > CONTROL_WINDOW && got < BIG);
    CHECK(memcmp(client->out[1] + CONTROL_WINDOW, pattern + BIG - (got - CONTROL_WINDOW),
                 got - CONTROL_WINDOW) == 0);
    proved("a LOGS reader that is too slow is overtaken and goes on with what is left");
}

static void test_log_memory(void)
{
    harness_start();
    simulated_log_pages = 2;
    struct personality p = started("one", 0);
    struct client *client = follower("one");
    CHECK(write_all(&p, 1, 0, BIG) == BIG && got_pattern(client, 1, BIG));
    simulated_log_pages = 0;
    struct personality q = started("two", 0);
    CHECK(write_all(&q, 1, 0, BIG) == BIG);
    CHECK(found("two")->process.log.dropped_bytes == BIG);
    proved("a log with two pages still passes everything on; without any, nobody waits for it");
}

int main(void)
{
    engine_init();
    pattern_fill();
    test_output();
    test_stall();
    test_end_while_stalled();
    test_stalled_leaves();
    test_input();
    test_input_bounded();
    test_input_end();
    test_resize();
    test_logs();
    test_logs_overtaken();
    test_log_memory();
    harness_end();
    return 0;
}
