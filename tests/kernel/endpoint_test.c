/*
 * Endpoints and gates: a call gets its reply and its badge, replies come late and out of order, at
 * most once; words and capabilities arrive as sent, as far as accepted; and whoever dies, is late,
 * is interrupted or restarted leaves the other side with a clear status.
 */
#include "tests/kernel/harness.h"

#include "lib/oak/slots.h"

#define BADGE 0xbad9e

static uint32_t endpoint;
static uint32_t gate;

struct client {
    struct worker worker;
    uint64_t header;
    uint64_t deadline_ns;
    uint64_t first_word;
    uint32_t send[MESSAGE_CAPABILITIES];
    uint32_t receive[MESSAGE_CAPABILITIES];
    status_t status;
    uint64_t reply_header;
    uint64_t reply_word;
};

static void client_run(struct worker *worker)
{
    struct client *client = worker->context;
    struct thread_frame *frame = thread_frame_self();
    for (uint32_t i = 0; i < MESSAGE_WORDS; i++) {
        frame->message[i] = client->first_word + i;
    }
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        frame->send[i] = client->send[i];
        frame->receive[i] = client->receive[i];
    }
    struct kernel_results results;
    client->status =
        kernel_gate_call(gate, client->header,
                         client->deadline_ns == 0 ? DEADLINE_NEVER : client->deadline_ns, &results);
    client->reply_header = results.value[0];
    client->reply_word = frame->message[0];
}

static void client_start(struct client *client)
{
    client->worker.context = client;
    worker_start(&client->worker, client_run, SLOT_NONE);
}

/* Receive within a second: header, badge, token. */
static struct kernel_results receive(void)
{
    struct kernel_results results;
    must(kernel_endpoint_receive(endpoint, 0, clock_now_ns() + SECOND_NS, &results), "receive");
    return results;
}

static void accept_into(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t *slots = thread_frame_self()->receive;
    slots[0] = a;
    slots[1] = b;
    slots[2] = c;
    slots[3] = d;
}

static void reply(uint64_t token, uint64_t header, uint64_t word)
{
    thread_frame_self()->message[0] = word;
    must(kernel_endpoint_reply(endpoint, token, header), "reply");
}

static void test_call(void)
{
    struct client client = {.header = MESSAGE_HEADER(7, MESSAGE_WORDS, 0) | 0xabcull << 32,
                            .first_word = 1000};
    client_start(&client);
    struct kernel_results call = receive();
    bool words = true;
    for (uint32_t i = 0; i < MESSAGE_WORDS; i++) {
        words = words && thread_frame_self()->message[i] == 1000 + i;
    }
    ok(words && call.value[0] == client.header, "all words and the header arrive");
    ok(call.value[1] == BADGE, "with the gate's badge");
    reply(call.value[2], MESSAGE_HEADER(9, 1, 0), 5555);
    worker_join(&client.worker);
    ok(client.status == STATUS_OK && client.reply_header == MESSAGE_HEADER(9, 1, 0) &&
           client.reply_word == 5555,
       "and so does the reply");
    ok_status(kernel_endpoint_reply(endpoint, call.value[2], 0), STATUS_NOT_FOUND,
              "a second reply finds nobody");
    ok_status(kernel_endpoint_reply(endpoint, UINT64_MAX, 0), STATUS_NOT_FOUND,
              "nor does a token that never was");
    struct kernel_results results;
    ok_status(kernel_gate_call(gate, MESSAGE_HEADER(1, MESSAGE_WORDS + 1, 0), 0, &results),
              STATUS_INVALID_ARGUMENT, "too many words are refused");
    ok_status(kernel_gate_call(gate, MESSAGE_HEADER(1, 0, 5), 0, &results), STATUS_INVALID_ARGUMENT,
              "and too many capabilities");
    ok_status(kernel_endpoint_reply(endpoint, 1, MESSAGE_HEADER(0, 127, 7)),
              STATUS_INVALID_ARGUMENT, "in replies as well");
    ok_status(kernel_endpoint_receive(endpoint, 0, 0, &results), STATUS_TIMED_OUT,
              "receiving polls with a deadline of 0");
}

static void test_out_of_order(void)
{
    struct client clients[4] = {0};
    uint64_t tokens[4];
    uint64_t words[4];
    for (uint32_t i = 0; i < 4; i++) {
        clients[i].header = MESSAGE_HEADER(1, 1, 0);
        clients[i].first_word = 100 * i;
        client_start(&clients[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        tokens[i] = receive().value[2];
        words[i] = thread_frame_self()->message[0];
    }
    bool good = true;
    for (uint32_t i = 4; i-- > 0;) {
        reply(tokens[i], MESSAGE_HEADER(0, 1, 0), words[i] + 1);
    }
    for (uint32_t i = 0; i < 4; i++) {
        worker_join(&clients[i].worker);
        good = good && clients[i].status == STATUS_OK && clients[i].reply_word == 100 * i + 1;
    }
    ok(good, "replies given late and backwards reach their callers");
}

static uint64_t slot_type(uint32_t slot)
{
    struct kernel_results results;
    must(kernel_capability_read(SLOT_DOMAIN, slot, &results), "capability_read");
    return results.value[0];
}

static void test_capabilities(void)
{
    uint32_t sent = slot_new();
    uint32_t weak = slot_new();
    uint32_t got[4] = {slot_new(), slot_new(), slot_new(), slot_new()};
    must(kernel_signal_create(SLOT_ACCOUNT, sent), "signal");
    must(kernel_capability_copy(SLOT_DOMAIN, weak, sent, RIGHT_READ), "copy");
    struct client client = {.header = MESSAGE_HEADER(1, 0, 3),
                            .send = {sent, weak, SLOT_LOG, 0},
                            .receive = {got[3], 0, 0, 0}};
    accept_into(got[0], got[1], 0, 0);
    client_start(&client);
    struct kernel_results call = receive();
    ok(MESSAGE_CAPABILITY_COUNT(call.value[0]) == 2, "as many capabilities arrive as are accepted");
    ok(slot_type(got[0]) == (OBJECT_SIGNAL | RIGHTS_ALL << 8) &&
           slot_type(got[1]) == (OBJECT_SIGNAL | RIGHT_READ << 8) && slot_type(got[2]) == 0,
       "with the rights that they were sent with");
    accept_into(0, 0, 0, 0);
    thread_frame_self()->send[0] = SLOT_TIME;
    reply(call.value[2], MESSAGE_HEADER(0, 0, 1), 0);
    worker_join(&client.worker);
    ok(client.status == STATUS_OK && slot_type(got[3]) == (OBJECT_MEMORY | RIGHT_READ << 8),
       "a reply carries them too");
    /* Slots that are used, out of the table, or the same twice; an empty slot sent. */
    accept_into(got[0], got[2], 0, 0);
    struct client full = {.header = MESSAGE_HEADER(1, 0, 2), .send = {SLOT_LOG, SLOT_LOG, 0, 0}};
    client_start(&full);
    call = receive();
    ok(MESSAGE_CAPABILITY_COUNT(call.value[0]) == 0 && slot_type(got[2]) == 0,
       "a used slot accepts nothing, nor do those behind it");
    reply(call.value[2], 0, 0);
    worker_join(&full.worker);
    accept_into(got[2], got[2], SLOTS, 0);
    struct client twice = {.header = MESSAGE_HEADER(1, 0, 3),
                           .send = {SLOT_LOG, SLOT_LOG, SLOT_LOG, 0}};
    client_start(&twice);
    call = receive();
    ok(MESSAGE_CAPABILITY_COUNT(call.value[0]) == 1, "one slot accepts one capability");
    reply(call.value[2], 0, 0);
    worker_join(&twice.worker);
    accept_into(SLOTS - 1, 0, 0, 0);
    struct client none = {.header = MESSAGE_HEADER(1, 0, 1), .send = {SLOTS + 5, 0, 0, 0}};
    client_start(&none);
    call = receive();
    ok(MESSAGE_CAPABILITY_COUNT(call.value[0]) == 0, "a slot that does not exist sends nothing");
    reply(call.value[2], 0, 0);
    worker_join(&none.worker);
    accept_into(0, 0, 0, 0);
    destroy(sent);
    slot_release(weak);
    for (uint32_t i = 0; i < 4; i++) {
        slot_release(got[i]);
    }
}

static void test_ends(void)
{
    struct client client = {.header = MESSAGE_HEADER(1, 0, 0)};
    client_start(&client);
    struct kernel_results call = receive();
    must(worker_kill(&client.worker), "kill");
    ok_status(kernel_endpoint_reply(endpoint, call.value[2], 0), STATUS_NOT_FOUND,
              "the reply to a dead caller finds nobody");
    client_start(&client);
    pause_ns(2 * MILLISECOND_NS);
    must(worker_kill(&client.worker), "kill");
    ok_status(kernel_endpoint_receive(endpoint, 0, 0, &call), STATUS_TIMED_OUT,
              "a call dies with its caller before it was received");
    struct client late = {.header = MESSAGE_HEADER(1, 0, 0),
                          .deadline_ns = clock_now_ns() + 5 * MILLISECOND_NS};
    client_start(&late);
    call = receive();
    worker_join(&late.worker);
    ok_status(late.status, STATUS_TIMED_OUT, "a call's deadline comes while it is served");
    ok_status(kernel_endpoint_reply(endpoint, call.value[2], 0), STATUS_NOT_FOUND,
              "the late reply finds nobody");
    struct client restarted = {.header = MESSAGE_HEADER(1, 0, 0)};
    struct client queued = {.header = MESSAGE_HEADER(1, 0, 0)};
    client_start(&restarted);
    call = receive();
    client_start(&queued);
    pause_ns(2 * MILLISECOND_NS);
    must(kernel_endpoint_restart(endpoint), "restart");
    worker_join(&restarted.worker);
    ok_status(restarted.status, STATUS_RESTARTED, "a restart ends the received call");
    ok(!queued.worker.done, "but not the one that was not received yet");
    must(kernel_object_destroy(gate), "destroy");
    struct kernel_results results;
    ok_status(kernel_gate_call(gate, 0, 0, &results), STATUS_BAD_CAPABILITY,
              "a destroyed gate calls nobody");
    must(kernel_gate_create(SLOT_ACCOUNT, gate, endpoint, BADGE), "gate");
    struct client served = {.header = MESSAGE_HEADER(1, 0, 0)};
    call = receive();
    client_start(&served);
    pause_ns(2 * MILLISECOND_NS);
    must(kernel_object_destroy(endpoint), "destroy");
    worker_join(&queued.worker);
    worker_join(&served.worker);
    ok(queued.status == STATUS_CLOSED && served.status == STATUS_CLOSED,
       "a destroyed endpoint closes received calls and waiting ones");
    ok_status(kernel_gate_call(gate, 0, 0, &results), STATUS_CLOSED, "and its gates");
    destroy(gate);
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, gate = slot_new(), endpoint, BADGE), "gate");
}

static void test_interruptible(void)
{
    struct client yes = {.header = MESSAGE_INTERRUPTIBLE};
    struct client no = {.header = 0};
    client_start(&yes);
    client_start(&no);
    struct kernel_results first = receive();
    struct kernel_results second = receive();
    must(kernel_thread_interrupt(yes.worker.slot, INTERRUPT_NOW, 0), "interrupt");
    must(kernel_thread_interrupt(no.worker.slot, INTERRUPT_NOW, 0), "interrupt");
    worker_join(&yes.worker);
    ok_status(yes.status, STATUS_INTERRUPTED, "an interruptible call is interrupted");
    ok(!no.worker.done, "another is not");
    (void)kernel_endpoint_reply(endpoint, first.value[2], 0);
    (void)kernel_endpoint_reply(endpoint, second.value[2], 0);
    worker_join(&no.worker);
    ok_status(no.status, STATUS_OK, "and gets its reply");
}

static uint32_t signal;

static void raiser(struct worker *worker)
{
    pause_ns(5 * MILLISECOND_NS);
    worker->argument = kernel_signal_raise(signal, 0x30);
}

static void test_signal_in_receive(void)
{
    signal = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    struct kernel_results results;
    must(kernel_signal_raise(signal, 3), "raise");
    ok(kernel_endpoint_receive(endpoint, signal, DEADLINE_NEVER, &results) == STATUS_OK &&
           results.value[1] == 3 && results.value[2] == 0,
       "a signal raised before ends a receive");
    struct worker worker = {0};
    worker_start(&worker, raiser, SLOT_NONE);
    ok(kernel_endpoint_receive(endpoint, signal, DEADLINE_NEVER, &results) == STATUS_OK &&
           results.value[1] == 0x30 && results.value[2] == 0,
       "so does one raised while it waits");
    worker_join(&worker);
    destroy(signal);
}

/* --- many calls on both CPUs ----------------------------------------------------------------- */

#define CALLS 3000

static void server(struct worker *worker)
{
    struct kernel_results call;
    uint64_t token = 0;
    uint64_t header = 0;
    struct thread_frame *frame = thread_frame_self();
    while (kernel_endpoint_reply_receive(endpoint, token, header, 0, &call) == STATUS_OK) {
        token = call.value[2];
        header = MESSAGE_HEADER(0, 1, 0);
        frame->message[0] += 1;
        worker->argument++;
    }
}

static void caller(struct worker *worker)
{
    struct thread_frame *frame = thread_frame_self();
    struct kernel_results results;
    uint64_t bad = 0;
    for (uint64_t i = 0; i < CALLS; i++) {
        uint64_t deadline_ns = i % 16 == 15 ? clock_now_ns() + 20000 : DEADLINE_NEVER;
        frame->message[0] = worker->argument * CALLS + i;
        status_t status = kernel_gate_call(gate, MESSAGE_HEADER(1, 1, 0), deadline_ns, &results);
        bad += status == STATUS_OK ? frame->message[0] != worker->argument * CALLS + i + 1
                                   : status != STATUS_TIMED_OUT;
    }
    worker->argument = bad;
}

static void test_many(void)
{
    struct worker servers[2] = {0};
    struct worker callers[6];
    for (uint32_t i = 0; i < 2; i++) {
        worker_start(&servers[i], server, SLOT_NONE);
    }
    for (uint32_t i = 0; i < 6; i++) {
        callers[i].argument = i + 1;
        worker_start(&callers[i], caller, SLOT_NONE);
    }
    uint64_t bad = 0;
    for (uint32_t i = 0; i < 6; i++) {
        worker_join(&callers[i]);
        bad += callers[i].argument;
    }
    must(kernel_object_destroy(endpoint), "destroy");
    worker_join(&servers[0]);
    worker_join(&servers[1]);
    ok(bad == 0, "six callers with deadlines and two servers: every reply is the caller's own");
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
}

void test_endpoint(void)
{
    log_line("# endpoint and gate");
    endpoint = slot_new();
    gate = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, gate, endpoint, BADGE), "gate");
    test_call();
    test_out_of_order();
    test_capabilities();
    test_ends();
    test_interruptible();
    test_signal_in_receive();
    test_many();
    destroy(gate);
    destroy(endpoint);
}
