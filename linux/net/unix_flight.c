/*
 * Files in flight: those that lie in packets, sent and not yet received.
 *
 * A socket can be sent through itself, or two through each other; when the last descriptors are
 * closed then, each is still referred to from a packet that nobody can receive any more. The search
 * finds them: a socket is a candidate when all references to its file are in flight; of these, it
 * takes away the ones that lie in packets of other candidates; whoever has some left is held from
 * outside, and so is everything that lies in its packets. The rest is garbage: its packets with
 * files are given up, which closes it.
 *
 * All of it under unix_lock, under which alone files enter and leave flight: a candidate has no
 * descriptor and no call in progress (those have references too), so its packets lie still.
 * A search costs what the container's Unix sockets and their packets are. Each close of a socket,
 * while any is in flight, pays for SEARCH_CREDIT steps; the next search is made when the last one
 * is paid for, so a few sockets are looked at each time, and many never cost more than their
 * closes. At most UNIX_IN_FLIGHT_MAX files are in flight; whoever would
 * send one more pays for more steps.
 */
#include "linux/core/errno.h"
#include "linux/file/file.h"
#include "linux/net/control.h"
#include "linux/net/unix.h"

#define NO_CANDIDATE  UINT32_MAX
#define SEARCH_CREDIT 64u
/* What a call pays that finds too many files in flight: it may fail before the next search. */
#define REFUSED_CREDIT 4096u

static uint32_t files_in_flight;   /* under unix_lock */
static uint32_t sockets_in_flight; /* under unix_lock; read without as a hint */

/* Under unix_lock: what closes have paid since the last search, and what that cost. */
static uint64_t search_credit;
static uint64_t search_cost;

static struct unix_socket *file_unix(const struct file *file)
{
    struct socket *socket = file_socket(file);
    return socket != NULL && socket->domain == AF_UNIX ? socket_unix(socket) : NULL;
}

/* Under unix_lock. */
static void flight_count(const struct rights *rights, int step)
{
    files_in_flight += (uint32_t)step * rights->count;
    for (uint32_t i = 0; i < rights->count; i++) {
        struct unix_socket *self = file_unix(rights->file[i]);
        if (self != NULL) {
            self->in_flight += (uint32_t)step;
            sockets_in_flight += (uint32_t)step;
        }
    }
}

static bool flight_try(struct unix_packet *packet, struct rights *rights)
{
    mutex_lock(&unix_lock);
    bool room = rights->count <= UNIX_IN_FLIGHT_MAX - files_in_flight;
    if (room) {
        flight_count(rights, 1);
        packet->rights = rights;
    }
    mutex_unlock(&unix_lock);
    return room;
}

long unix_flight_begin(struct unix_packet *packet, struct rights *rights)
{
    if (flight_try(packet, rights)) {
        return 0;
    }
    mutex_lock(&unix_lock);
    search_credit += REFUSED_CREDIT;
    mutex_unlock(&unix_lock);
    unix_flight_collect();
    return flight_try(packet, rights) ? 0 : -ETOOMANYREFS;
}

struct rights *unix_flight_end(struct unix_packet *packet)
{
    struct rights *rights = packet->rights;
    mutex_lock(&unix_lock);
    flight_count(rights, -1);
    packet->rights = NULL;
    mutex_unlock(&unix_lock);
    return rights;
}

struct rights *unix_flight_copy(const struct unix_packet *packet)
{
    mutex_lock(&unix_lock);
    struct rights *copy = rights_copy(packet->rights);
    mutex_unlock(&unix_lock);
    return copy;
}

/* --- the search ------------------------------------------------------------------------------ */

typedef void (*flight_visit)(struct unix_socket *self, void *context);

static void queue_visit(struct unix_socket *self, flight_visit visit, void *context)
{
    mutex_lock(&self->lock);
    for (struct unix_packet *packet = self->incoming.first; packet != NULL; packet = packet->next) {
        search_cost++;
        for (uint32_t i = 0; packet->rights != NULL && i < packet->rights->count; i++) {
            struct unix_socket *sent = file_unix(packet->rights->file[i]);
            if (sent != NULL) {
                visit(sent, context);
            }
        }
    }
    mutex_unlock(&self->lock);
}

/* Every socket in the packets of this one, and of the connections that wait at it. */
static void packets_visit(struct unix_socket *self, flight_visit visit, void *context)
{
    queue_visit(self, visit, context);
    mutex_lock(&self->lock);
    for (struct unix_socket *at = self->waiting_first; at != NULL; at = at->next_waiting) {
        queue_visit(at, visit, context);
    }
    mutex_unlock(&self->lock);
}

static void held_inside(struct unix_socket *self, void *context)
{
    (void)context;
    if (self->outside != NO_CANDIDATE && self->outside > 0) {
        self->outside--;
    }
}

/* Held from outside: its packets are to be looked at. */
static void found_live(struct unix_socket *self, void *context)
{
    struct unix_socket **list = context;
    if (self->outside != NO_CANDIDATE) {
        self->outside = NO_CANDIDATE;
        self->found = *list;
        *list = self;
    }
}

static void candidates_mark(void)
{
    for (struct unix_socket *self = unix_sockets; self != NULL; self = self->next) {
        const struct file *file = self->socket.file;
        bool candidate = self->in_flight > 0 &&
                         __atomic_load_n(&file->references, __ATOMIC_ACQUIRE) == self->in_flight;
        self->outside = candidate ? self->in_flight : NO_CANDIDATE;
        search_cost++;
    }
}

static void live_mark(void)
{
    struct unix_socket *list = NULL;
    for (struct unix_socket *self = unix_sockets; self != NULL; self = self->next) {
        if (self->outside != NO_CANDIDATE && self->outside > 0) {
            found_live(self, &list);
        }
    }
    while (list != NULL) {
        struct unix_socket *self = list;
        list = self->found;
        packets_visit(self, found_live, &list);
    }
}

/* Its packets go to the list. */
static void queue_take(struct unix_socket *self, struct unix_packet **list)
{
    mutex_lock(&self->lock);
    while (self->incoming.first != NULL) {
        struct unix_packet *packet = unix_queue_pop(&self->incoming);
        packet->next = *list;
        *list = packet;
    }
    mutex_unlock(&self->lock);
}

static void packets_take(struct unix_socket *self, struct unix_packet **list)
{
    queue_take(self, list);
    mutex_lock(&self->lock);
    for (struct unix_socket *at = self->waiting_first; at != NULL; at = at->next_waiting) {
        queue_take(at, list);
    }
    mutex_unlock(&self->lock);
}

void unix_flight_search(void)
{
    struct unix_packet *garbage = NULL;
    if (__atomic_load_n(&sockets_in_flight, __ATOMIC_RELAXED) == 0) {
        return;
    }
    mutex_lock(&unix_lock);
    search_credit += SEARCH_CREDIT;
    if (search_credit < search_cost) {
        mutex_unlock(&unix_lock);
        return;
    }
    search_credit = 0;
    search_cost = 0;
    candidates_mark();
    for (struct unix_socket *self = unix_sockets; self != NULL; self = self->next) {
        if (self->outside != NO_CANDIDATE) {
            packets_visit(self, held_inside, NULL);
        }
    }
    live_mark();
    for (struct unix_socket *self = unix_sockets; self != NULL; self = self->next) {
        if (self->outside == 0) {
            packets_take(self, &garbage);
        }
    }
    mutex_unlock(&unix_lock);
    unix_packets_free(garbage);
}
