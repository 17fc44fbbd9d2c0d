/*
 * Owns: packets, which one queue or one call has, and the list of those that are being given up.
 *
 * Putting a file that was in flight can close a socket with packets, whose files close further
 * sockets. So that no chain of them makes the stack deep, packets with files go to one list. Each
 * thread takes as many out of it as it has added, what comes of them included: none works for
 * others without end. Searching for circles is done from there too.
 */
#include "linux/core/heap.h"
#include "linux/core/thread.h"
#include "linux/net/control.h"
#include "linux/net/unix.h"

#define HEAP_OVERHEAD_BYTES 64u

/* A thread that works the list off, on its stack. */
struct attendant {
    struct attendant *next;
    const struct own_thread *thread;
    uint32_t due; /* packets that it is still to take */
};

static struct {
    struct mutex lock;
    struct unix_packet *first;
    struct attendant *attendants;
    bool collect;
} given_up;

struct unix_packet *unix_packet_new(struct unix_socket *sender, uint32_t length_bytes)
{
    struct unix_packet *packet = heap_alloc_unfilled(sizeof(*packet) + length_bytes);
    if (packet == NULL) {
        return NULL;
    }
    unix_get(sender);
    *packet = (struct unix_packet){.sender = sender, .length_bytes = length_bytes};
    packet->charge_bytes = (uint32_t)sizeof(*packet) + length_bytes + HEAP_OVERHEAD_BYTES;
    __atomic_fetch_add(&sender->sent_bytes, packet->charge_bytes, __ATOMIC_RELAXED);
    return packet;
}

static void packet_free(struct unix_packet *packet)
{
    struct unix_socket *sender = packet->sender;
    uint32_t before =
        __atomic_fetch_sub(&sender->sent_bytes, packet->charge_bytes, __ATOMIC_ACQ_REL);
    if (!unix_is_writable_at(sender, before) &&
        unix_is_writable_at(sender, before - packet->charge_bytes)) {
        wait_queue_wake(&sender->socket.write_wait, WAIT_POLLOUT);
    }
    unix_put(sender);
    heap_free(packet);
}

static void give_up(struct unix_packet *packet)
{
    mutex_lock(&given_up.lock);
    packet->next = given_up.first;
    given_up.first = packet;
    mutex_unlock(&given_up.lock);
}

/* The next packet, or that a search is due; false: nothing is left for this one. */
static bool work_take(struct attendant *own, struct unix_packet **packet, bool *collect)
{
    *packet = own->due > 0 ? given_up.first : NULL;
    *collect = false;
    if (*packet != NULL) {
        given_up.first = (*packet)->next;
        own->due--;
        return true;
    }
    own->due = 0; /* others have taken them */
    *collect = given_up.collect;
    given_up.collect = false;
    return *collect;
}

static struct attendant **attendant_place(const struct own_thread *thread)
{
    struct attendant **link = &given_up.attendants;
    while (*link != NULL && (*link)->thread != thread) {
        link = &(*link)->next;
    }
    return link;
}

/* The current thread has added so many packets. */
static void work_off(uint32_t added, bool collect)
{
    struct unix_packet *packet;
    struct attendant own = {.thread = thread_self(), .due = added};
    mutex_lock(&given_up.lock);
    given_up.collect = given_up.collect || collect;
    struct attendant *busy = *attendant_place(own.thread);
    if (busy != NULL) { /* from within: it goes on when this returns */
        busy->due += added;
        mutex_unlock(&given_up.lock);
        return;
    }
    own.next = given_up.attendants;
    given_up.attendants = &own;
    while (work_take(&own, &packet, &collect)) {
        mutex_unlock(&given_up.lock);
        if (packet != NULL) {
            rights_drop(unix_flight_end(packet));
            packet_free(packet);
        } else {
            unix_flight_search();
        }
        mutex_lock(&given_up.lock);
    }
    *attendant_place(own.thread) = own.next;
    mutex_unlock(&given_up.lock);
}

void unix_packets_free(struct unix_packet *first)
{
    uint32_t with_files = 0;
    while (first != NULL) {
        struct unix_packet *packet = first;
        first = packet->next;
        if (packet->rights != NULL) {
            give_up(packet);
            with_files++;
        } else {
            packet_free(packet);
        }
    }
    if (with_files > 0) {
        work_off(with_files, false);
    }
}

void unix_flight_collect(void)
{
    work_off(0, true);
}

void unix_queue_push(struct unix_queue *queue, struct unix_packet *packet)
{
    packet->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = packet;
    } else {
        queue->first = packet;
    }
    queue->last = packet;
    queue->count++;
    queue->bytes += packet->length_bytes;
}

struct unix_packet *unix_queue_pop(struct unix_queue *queue)
{
    struct unix_packet *packet = queue->first;
    queue->first = packet->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    packet->next = NULL;
    queue->count--;
    queue->bytes -= packet->length_bytes - packet->start;
    return packet;
}
