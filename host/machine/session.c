#include "host/machine/machine.h"

#include <stdlib.h>

#define SLOT_BITS       12
#define GENERATION_MASK ((1u << 20) - 1)

_Static_assert(SESSION_SLOTS == 1 << SLOT_BITS, "a session number holds a slot");

status_t session_open(struct session_table *table, struct client *owner, uint32_t client_number,
                      struct session **out)
{
    if (owner->session_count >= CLIENT_SESSIONS || table->count >= SESSION_SLOTS) {
        return STATUS_LIMIT_REACHED;
    }
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return STATUS_NO_MEMORY;
    }
    uint32_t slot = table->next_slot;
    while (table->slot[slot] != NULL) {
        slot = (slot + 1) % SESSION_SLOTS;
    }
    table->next_slot = (slot + 1) % SESSION_SLOTS;
    table->generation[slot] = (table->generation[slot] + 1) & GENERATION_MASK;
    if (table->generation[slot] == 0) {
        table->generation[slot] = 1;
    }
    session->owner = owner;
    session->client_number = client_number;
    session->number = table->generation[slot] << SLOT_BITS | slot;
    for (size_t i = 0; i < ARRAY_LENGTH(session->credit); i++) {
        credit_init(&session->credit[i]);
    }
    session->next = owner->sessions;
    owner->sessions = session;
    owner->session_count++;
    table->slot[slot] = session;
    table->count++;
    *out = session;
    return STATUS_OK;
}

void session_free(struct session_table *table, struct session *session)
{
    struct session **link = &session->owner->sessions;
    while (*link != session) {
        link = &(*link)->next;
    }
    *link = session->next;
    session->owner->session_count--;
    table->slot[session->number % SESSION_SLOTS] = NULL;
    table->count--;
    free(session);
}

struct session *session_by_number(const struct session_table *table, uint32_t number)
{
    struct session *session = table->slot[number % SESSION_SLOTS];
    return session != NULL && session->number == number ? session : NULL;
}

struct session *session_of_client(const struct client *client, uint32_t client_number)
{
    struct session *session = client->sessions;
    while (session != NULL && session->client_number != client_number) {
        session = session->next;
    }
    return session;
}
