/*
 * Owns: packets, which one queue or one call has, and the list of those that are being given up.
 *
 * Putting a file that was in flight can close a socket with packets, whose files close further
 * sockets. So that no chain of them makes the stack deep, packets with files go to one list, which
 * whoever finds it unattended works off; others only add to it. Searching for circles is done from
 * there too.
 */
#include "linux/core/heap.h"
#include "linux/net/control.h"
#include "linux/net/unix.h"

#define HEAP_OVERHEAD_BYTES 64u

static struct {
    struct mutex lock;
    struct unix_packet *first;
    bool collect;
    bool attended;
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

/* The next packet, or that a search is due; false: nothing is left to do. */
static bool work_take(struct unix_packet **packet, bool *collect)
{
    *packet = given_up.first;
    *collect = false;
    if (*packet != NULL) {
        given_up.first = (*packet)->next;
        return true;
    }
    *collect = given_up.collect;
    given_up.collect = false;
    return *collect;
}

static void work_off(bool collect)
{
    struct unix_packet *packet;
    mutex_lock(&given_up.lock);
    given_up.collect = given_up.collect || collect;
    bool mine = !given_up.attended;
    given_up.attended = true;
    while (mine && work_take(&packet, &collect)) {
        mutex_unlock(&given_up.lock);
        if (packet != NULL) {
            rights_drop(unix_flight_end(packet));
            packet_free(packet);
        } else {
            unix_flight_search();
        }
        mutex_lock(&given_up.lock);
    }
    if (mine) {
        given_up.attended = false;
    }
    mutex_unlock(&given_up.lock);
}

void unix_packets_free(struct unix_packet *first)
{
    bool with_files = false;
    while (first != NULL) {
        struct unix_packet *packet = first;
        first = packet->next;
        if (packet->rights != NULL) {
            give_up(packet);
            with_files = true;
        } else {
            packet_free(packet);
        }
    }
    if (with_files) {
        work_off(false);
    }
}

void unix_flight_collect(void)
{
    work_off(true);
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
