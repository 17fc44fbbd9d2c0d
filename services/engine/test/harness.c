#include "services/engine/test/harness.h"

#include <string.h>

#include "services/engine/session.h"

#define CLIENTS_MAX 512

static struct client *clients[CLIENTS_MAX];
static uint32_t client_total;
static uint32_t last_number = 1000;
static uint64_t frames_seen;
static bool hello_came;
static uint16_t last_tag;
static int proofs;

void proved(const char *sentence)
{
    printf("ok %d - %s\n", ++proofs, sentence);
    fflush(stdout);
}

/* --- Frames --- */

void frame_send(uint32_t session, uint16_t type, uint16_t stream, uint32_t value,
                const void *payload, uint32_t length_bytes)
{
    struct control_frame header = {length_bytes, session, type, stream, value};
    engine_input(&header, sizeof(header));
    if (length_bytes > 0) {
        engine_input(payload, length_bytes);
    }
}

static struct client *client_find(uint32_t number)
{
    for (uint32_t i = 0; i < client_total; i++) {
        if (clients[i]->number == number) {
            return clients[i];
        }
    }
    return NULL;
}

static void more_take(struct client *client, const uint8_t *payload, uint32_t length_bytes)
{
    client->more = realloc(client->more, client->more_bytes + length_bytes + 1);
    memcpy(client->more + client->more_bytes, payload, length_bytes);
    client->more_bytes += length_bytes;
}

static void result_take(struct client *client, const struct control_frame *header)
{
    CHECK(header->stream < CLIENT_RESULTS);
    struct result *result = &client->result[header->stream];
    CHECK(!result->came);
    *result = (struct result){true, frames_seen, header->value, client->more, client->more_bytes};
    client->more = NULL;
    client->more_bytes = 0;
}

static void data_take(struct client *client, const struct control_frame *header,
                      const uint8_t *payload)
{
    int stream = header->stream;
    CHECK((stream == 1 || stream == 2) && client->eof[stream] == 0 && header->length > 0);
    if (client->first_out[stream] == 0) {
        client->first_out[stream] = frames_seen;
    }
    client->out[stream] = realloc(client->out[stream], client->out_bytes[stream] + header->length);
    memcpy(client->out[stream] + client->out_bytes[stream], payload, header->length);
    client->out_bytes[stream] += header->length;
    if (!client->holds_credit) {
        frame_send(client->number, CONTROL_CREDIT, header->stream, header->length, NULL, 0);
    }
}

static void frame_receive(const struct control_frame *header, const uint8_t *payload)
{
    frames_seen++;
    if (header->type == CONTROL_HELLO) {
        CHECK(header->session == 0 && header->value == CONTROL_VERSION && !hello_came);
        hello_came = true;
        return;
    }
    struct client *client = client_find(header->session);
    CHECK(client != NULL && !client->closed);
    switch ((enum control_type)header->type) {
    case CONTROL_RESULT:
        more_take(client, payload, header->length);
        result_take(client, header);
        break;
    case CONTROL_MORE:
        more_take(client, payload, header->length);
        break;
    case CONTROL_DATA:
        data_take(client, header, payload);
        break;
    case CONTROL_CREDIT:
        CHECK(header->stream == 0 && header->length == 0);
        client->credit += header->value;
        break;
    case CONTROL_EOF:
        CHECK((header->stream == 1 || header->stream == 2) && client->eof[header->stream] == 0);
        client->eof[header->stream] = frames_seen;
        break;
    case CONTROL_CLOSE:
        client->closed = true;
        break;
    case CONTROL_HELLO:
    case CONTROL_REQUEST:
    case CONTROL_RESIZE:
        CHECK(false);
    }
}

void settle(void)
{
    static uint8_t bytes[2 * FRAME_BYTES_MAX];
    uint32_t length;
    bool more;
    do {
        more = engine_turn();
        length = engine_output(bytes, sizeof(bytes));
        for (uint32_t at = 0; at < length;) {
            struct control_frame header;
            memcpy(&header, bytes + at, sizeof(header));
            CHECK(header.length <= CONTROL_FRAME_MAX &&
                  header.length <= length - at - sizeof(header));
            frame_receive(&header, bytes + at + sizeof(header));
            at += (uint32_t)sizeof(header) + header.length;
        }
    } while (more || length > 0);
}

/* --- Clients --- */

static void client_free(struct client *client)
{
    for (uint32_t tag = 0; tag < CLIENT_RESULTS; tag++) {
        free(client->result[tag].bytes);
    }
    free(client->out[1]);
    free(client->out[2]);
    free(client->more);
    free(client);
}

static void clients_free(void)
{
    while (client_total > 0) {
        client_free(clients[--client_total]);
    }
}

void harness_start(void)
{
    struct control_hello hello = {.wall_ns = 5000};
    simulated_fail_after = simulated_log_pages = -1;
    for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
        if (container_at(i) != NULL) {
            container_delete(container_at(i));
        }
    }
    hello_came = false;
    frame_send(0, CONTROL_HELLO, 0, CONTROL_VERSION, &hello, sizeof(hello));
    clients_free();
    settle();
    CHECK(hello_came && session_count() == 0 && container_count() == 0);
    CHECK(simulated_live == 0 && simulated_heap_blocks == 0);
}

void harness_end(void)
{
    harness_start();
    printf("1..%d\n", proofs);
}

struct client *client_new(void)
{
    CHECK(client_total < CLIENTS_MAX);
    struct client *client = calloc(1, sizeof(*client));
    client->number = ++last_number;
    clients[client_total++] = client;
    return client;
}

void client_close(struct client *client)
{
    frame_send(client->number, CONTROL_CLOSE, 0, 0, NULL, 0);
    uint32_t i = 0;
    while (clients[i] != client) {
        i++;
    }
    clients[i] = clients[--client_total];
    client_free(client);
    settle();
}

uint16_t ask(struct client *client, enum control_request type, const struct record_writer *records)
{
    const uint8_t *bytes = records != NULL ? records->bytes : NULL;
    uint32_t left = records != NULL ? (uint32_t)records->length_bytes : 0;
    uint16_t tag = ++last_tag % CLIENT_RESULTS;
    CHECK(records == NULL || !records->overflow);
    free(client->result[tag].bytes);
    client->result[tag] = (struct result){0};
    for (; left > CONTROL_FRAME_MAX; left -= CONTROL_FRAME_MAX, bytes += CONTROL_FRAME_MAX) {
        frame_send(client->number, CONTROL_MORE, 0, 0, bytes, CONTROL_FRAME_MAX);
    }
    frame_send(client->number, CONTROL_REQUEST, tag, type, bytes, left);
    return tag;
}

struct result *asked(struct client *client, enum control_request type,
                     const struct record_writer *records)
{
    uint16_t tag = ask(client, type, records);
    settle();
    return &client->result[tag];
}

uint16_t ask_about(struct client *client, enum control_request type, const char *container,
                   uint16_t tag, uint64_t number)
{
    uint8_t bytes[512];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, container);
    if (tag != 0) {
        record_put_number(&records, tag, number);
    }
    return ask(client, type, &records);
}

struct result *asked_about(struct client *client, enum control_request type, const char *container,
                           uint16_t tag, uint64_t number)
{
    uint16_t asked_tag = ask_about(client, type, container, tag, number);
    settle();
    return &client->result[asked_tag];
}

static bool result_record(const struct result *result, uint16_t tag, struct record *out)
{
    struct record_reader reader;
    CHECK(result->came);
    record_reader_init(&reader, result->bytes, result->length_bytes);
    return record_find(&reader, tag, out) == STATUS_OK;
}

uint64_t result_number(const struct result *result, uint16_t tag)
{
    struct record record;
    uint64_t number = UINT64_MAX;
    if (result_record(result, tag, &record)) {
        CHECK(record_number(&record, &number) == STATUS_OK);
    }
    return number;
}

bool result_has(const struct result *result, uint16_t tag)
{
    struct record record;
    return result_record(result, tag, &record);
}

const char *result_text(const struct result *result, uint16_t tag)
{
    static char text[512];
    struct record record;
    text[0] = '\0';
    if (result_record(result, tag, &record)) {
        CHECK(record.length_bytes < sizeof(text));
        memcpy(text, record.value, record.length_bytes);
        text[record.length_bytes] = '\0';
    }
    return text;
}

bool client_got(const struct client *client, int stream, const char *text)
{
    return client->out_bytes[stream] == strlen(text) &&
           (text[0] == '\0' || memcmp(client->out[stream], text, strlen(text)) == 0);
}

const char *id_of(const char *name)
{
    static char id[CONTAINER_ID_DIGITS + 1];
    uint64_t hash = 14695981039346656037ull;
    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 1099511628211ull;
    }
    hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15ull;
    snprintf(id, sizeof(id), "%016llx%048d", (unsigned long long)hash, 0);
    return id;
}

struct record_writer *specification(const char *name, unsigned int flags)
{
    static uint8_t bytes[CONTROL_SPEC_MAX];
    static struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_ID, id_of(name));
    record_put_text(&records, RECORD_NAME, name);
    record_put(&records, RECORD_BLOB, simulated_blob_name, sizeof(simulated_blob_name));
    record_put_text(&records, RECORD_ARGUMENT, "/bin/true");
    record_put_number(&records, RECORD_OPEN_STDIN, (flags & WITH_STDIN) != 0);
    record_put_number(&records, RECORD_TERMINAL, (flags & WITH_TERMINAL) != 0);
    record_put_number(&records, RECORD_AUTO_REMOVE, (flags & WITH_AUTO_REMOVE) != 0);
    if ((flags & WITHOUT_SEAL) != 0) {
        record_put_number(&records, RECORD_UNSEALED, 1);
    }
    record_put_text(&records, RECORD_LABEL, "{}");
    return &records;
}

struct container *found(const char *name)
{
    struct container *container;
    CHECK(container_find(name, (uint32_t)strlen(name), &container) == STATUS_OK);
    return container;
}

struct container *created(const char *name, unsigned int flags)
{
    struct client *client = client_new();
    struct result *result = asked(client, CONTROL_CREATE, specification(name, flags));
    CHECK(result->came && result->status == STATUS_OK);
    CHECK(strcmp(result_text(result, RECORD_ID), id_of(name)) == 0);
    client_close(client);
    return found(name);
}

/* --- The personality --- */

static status_t personality_call(uint64_t badge, uint32_t operation, const void *request,
                                 uint32_t bytes, struct service_call *call)
{
    *call = (struct service_call){.badge = badge};
    call->header = MESSAGE_HEADER(operation, (bytes + 7) / 8, 0);
    if (bytes > 0) {
        memcpy(call->request, request, bytes);
    }
    return container_dispatch(&container_handlers, call);
}

static void rings_init(struct personality *p)
{
    struct channel_control *control = (void *)p->channel;
    byte_ring_consumer_init(&p->ring[0], &control->ring[0], p->channel + CHANNEL_RING_STDIN,
                            CHANNEL_RING_BYTES);
    byte_ring_producer_init(&p->ring[1], &control->ring[1], p->channel + CHANNEL_RING_STDOUT,
                            CHANNEL_RING_BYTES);
    byte_ring_producer_init(&p->ring[2], &control->ring[2], p->channel + CHANNEL_RING_STDERR,
                            CHANNEL_RING_BYTES);
}

struct personality personality_of(struct container *container)
{
    struct personality p = {.badge = container_badge(container)};
    struct simulated_domain *domain = simulated_domain(p.badge);
    CHECK(domain != NULL && domain->started);
    p.channel = simulated_channel(domain->channel_memory);
    rings_init(&p);
    return p;
}

struct container_next_request_reply personality_next(const struct personality *p)
{
    struct service_call call;
    struct container_next_request_reply reply;
    CHECK(personality_call(p->badge, CONTAINER_NEXT_REQUEST, NULL, 0, &call) == STATUS_OK);
    memset(&reply, 0, sizeof(reply));
    memcpy(&reply, call.reply, 24);
    reply.channel = call.send[0];
    return reply;
}

void personality_attend(const struct personality *p)
{
    ((struct channel_control *)(void *)p->channel)->attended = 1;
}

struct personality personality_exec(const struct personality *p)
{
    return personality_process(p, CONTAINER_REQUEST_EXEC);
}

struct personality personality_process(const struct personality *p, enum container_request kind)
{
    struct container_next_request_reply reply = personality_next(p);
    CHECK(reply.kind == (uint32_t)kind && reply.process != 0);
    struct personality exec = {.badge = p->badge, .process = reply.process};
    exec.channel = simulated_channel(reply.channel);
    CHECK(exec.channel != NULL && reply.size > 0);
    rings_init(&exec);
    return exec;
}

status_t personality_launched(const struct personality *p, status_t status, const char *message)
{
    struct container_launched_request request = {
        .process = p->process, .result = status, .pid = 77};
    struct service_call call;
    request.message.length_bytes = (uint32_t)strlen(message);
    memcpy(request.message.data, message, request.message.length_bytes);
    return personality_call(p->badge, CONTAINER_LAUNCHED, &request, 276, &call);
}

status_t personality_ended(const struct personality *p, uint32_t code)
{
    struct container_ended_request request = {.process = p->process, .exit_code = code};
    struct service_call call;
    return personality_call(p->badge, CONTAINER_ENDED, &request, 16, &call);
}

status_t personality_moved(const struct personality *p)
{
    struct container_ring_moved_request request = {p->process};
    struct service_call call;
    return personality_call(p->badge, CONTAINER_RING_MOVED, &request, 4, &call);
}

uint32_t personality_write(struct personality *p, int stream, const void *bytes, uint32_t length)
{
    uint32_t written;
    bool wake;
    CHECK(byte_ring_write(&p->ring[stream], bytes, length, &written, &wake) == STATUS_OK);
    if (wake) {
        CHECK(personality_moved(p) == STATUS_OK);
    }
    if (written < length) {
        byte_ring_producer_sleep(&p->ring[stream]);
    }
    return written;
}

uint32_t personality_read(struct personality *p, void *to, uint32_t length, bool *ended)
{
    uint32_t got = 0;
    bool wake = false;
    *ended = byte_ring_read(&p->ring[0], to, length, &got, &wake) == STATUS_CLOSED;
    if (wake) {
        CHECK(personality_moved(p) == STATUS_OK);
    }
    byte_ring_consumer_sleep(&p->ring[0]);
    return *ended ? 0 : got;
}

void personality_say(struct personality *p, int stream, const char *text)
{
    CHECK(personality_write(p, stream, text, (uint32_t)strlen(text)) == strlen(text));
}

struct personality started(const char *name, unsigned int flags)
{
    struct client *client = client_new();
    struct container *container = created(name, flags);
    uint16_t tag = ask_about(client, CONTROL_START, name, 0, 0);
    settle();
    CHECK(!client->result[tag].came);
    struct personality p = personality_of(container);
    CHECK(personality_launched(&p, STATUS_OK, "") == STATUS_OK);
    settle();
    CHECK(client->result[tag].came && client->result[tag].status == STATUS_OK);
    client_close(client);
    return p;
}
