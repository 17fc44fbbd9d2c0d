/*
 * Owns: lwIP's lock, its interface lo, and the thread that runs TCP's timers.
 *
 * The stack is brought up by the first socket of its families, the thread by the first of TCP; a
 * container without them has neither. The thread sleeps for good while no connection needs it: one
 * that is established, with nothing on its way, does not. Whoever has used the stack wakes it.
 *
 * lo has all of 127.0.0.0/8, lwIP's interface only one address: for each packet inet_hook_ip4 gives
 * it the one that the packet is for.
 */
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#include "abi/container.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/random.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"
#include "linux/net/inet.h"

#define TICK_NS (TCP_TMR_INTERVAL * 1000000ull)
#define LO_MTU  65535

static struct mutex inet_lock;
static struct netif *lo;
static struct inet_socket *to_wake;

static struct {
    uint32_t thread; /* slot; 0: none yet */
    bool runs;       /* it will look again by itself */
} timer;

/* --- what lwIP asks for ---------------------------------------------------------------------- */

/* As malloc: lwIP fills what it allocates. */
void *inet_alloc(size_t size_bytes)
{
    return heap_alloc_unfilled(size_bytes);
}

void *inet_alloc_array(size_t count, size_t size_bytes)
{
    return heap_alloc(count * size_bytes);
}

void inet_free(void *block)
{
    heap_free(block);
}

uint32_t inet_random(void)
{
    uint32_t number;
    random_bytes(&number, sizeof(number));
    return number;
}

void inet_assert_failed(const char *text)
{
    personality_panic(text);
}

int inet_hook_ip4(struct pbuf *packet, struct netif *netif)
{
    const struct ip_hdr *header = packet->payload;
    if (netif == lo && packet->len >= IP_HLEN) {
        ip4_addr_t to;
        ip4_addr_copy(to, header->dest);
        if (ip4_addr_isloopback(&to)) {
            ip4_addr_copy(*ip_2_ip4(&lo->ip_addr), to);
        }
        inet_error_ip4(packet);
    }
    return 0;
}

int inet_hook_ip6(struct pbuf *packet, struct netif *netif)
{
    if (netif == lo) {
        inet_error_ip6(packet);
    }
    return 0;
}

long inet_result(err_t error)
{
    switch (error) {
    case ERR_OK:
        return 0;
    case ERR_MEM:
    case ERR_BUF:
        return -ENOBUFS;
    case ERR_RTE:
        return -ENETUNREACH;
    case ERR_USE:
        return -EADDRINUSE;
    case ERR_ALREADY:
        return -EALREADY;
    case ERR_ISCONN:
        return -EISCONN;
    case ERR_CONN:
        return -ENOTCONN;
    case ERR_ABRT:
        return -ETIMEDOUT;
    case ERR_RST:
    case ERR_CLSD:
        return -ECONNRESET;
    default:
        return -EINVAL;
    }
}

/* --- delivering and waking ------------------------------------------------------------------- */

void inet_notify(struct inet_socket *self, uint32_t events)
{
    if (self->wake == 0) {
        socket_get(&self->socket);
        self->next_to_wake = to_wake;
        to_wake = self;
    }
    self->wake |= events;
}

/* All that lies in lo's queue, and what comes of it. Under the lock. */
static void deliver(void)
{
    if (lo != NULL && lo->loop_first != NULL) {
        netif_poll(lo);
        ip4_addr_set_u32(ip_2_ip4(&lo->ip_addr), PP_HTONL(IPADDR_LOOPBACK));
    }
}

struct wake_up {
    struct inet_socket *self; /* a reference */
    uint32_t events;
};

#define WAKE_UPS 16

/* The next of those to wake. Under the lock. */
static uint32_t wake_ups_take(struct wake_up *wake_up)
{
    uint32_t count = 0;
    while (to_wake != NULL && count < WAKE_UPS) {
        struct inet_socket *self = to_wake;
        to_wake = self->next_to_wake;
        wake_up[count++] = (struct wake_up){self, self->wake};
        self->wake = 0;
    }
    return count;
}

static void wake_ups_make(const struct wake_up *wake_up, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct socket *socket = &wake_up[i].self->socket;
        if (wake_up[i].events & (WAIT_POLLIN | WAIT_POLLRDHUP | WAIT_POLLERR)) {
            wait_queue_wake(&socket->read_wait, wake_up[i].events);
        }
        if (wake_up[i].events & (WAIT_POLLOUT | WAIT_POLLERR)) {
            wait_queue_wake(&socket->write_wait, wake_up[i].events);
        }
        socket_put(socket);
    }
}

/* Give the lock back and wake whoever is to be woken. */
static void unlock_and_wake(void)
{
    struct wake_up wake_up[WAKE_UPS];
    uint32_t count;
    do {
        count = wake_ups_take(wake_up);
        mutex_unlock(&inet_lock);
        wake_ups_make(wake_up, count);
        if (count == WAKE_UPS) {
            mutex_lock(&inet_lock);
        }
    } while (count == WAKE_UPS);
}

void inet_enter(void)
{
    mutex_lock(&inet_lock);
}

void inet_leave(void)
{
    deliver();
    if (!timer.runs && timer.thread != 0 && (tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL)) {
        timer.runs = true;
        (void)kernel_thread_unpark(timer.thread);
    }
    unlock_and_wake();
}

void inet_look_begin(void)
{
    mutex_lock(&inet_lock);
}

void inet_look_end(void)
{
    mutex_unlock(&inet_lock);
}

/* --- the timer ------------------------------------------------------------------------------- */

/* Nothing that time alone could change. */
static bool is_quiet(const struct tcp_pcb *pcb)
{
    bool open = pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT ||
                (pcb->state == FIN_WAIT_2 && !(pcb->flags & TF_RXCLOSED));
    return open && pcb->unsent == NULL && pcb->unacked == NULL && pcb->refused_data == NULL &&
           pcb->persist_backoff == 0 &&
           !(pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND)) &&
           !ip_get_option(pcb, SOF_KEEPALIVE);
}

static bool timer_is_needed(void)
{
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (!is_quiet(pcb)) {
            return true;
        }
    }
    return tcp_tw_pcbs != NULL;
}

static _Noreturn void timer_run(void)
{
    bool runs = false;
    for (;;) {
        (void)kernel_thread_park(runs ? clock_now_ns() + TICK_NS : DEADLINE_NEVER,
                                 PARK_UNINTERRUPTIBLE);
        mutex_lock(&inet_lock);
        if (runs) {
            tcp_tmr();
            deliver();
            timer.runs = timer_is_needed();
        }
        runs = timer.runs;
        unlock_and_wake();
    }
}

/* Under the lock. */
static long timer_start(void)
{
    struct thread_frame *frame;
    uint32_t thread;
    if (timer.thread != 0) {
        return 0;
    }
    long result = thread_new(NULL, 0, &thread, &frame);
    if (result != 0) {
        return -ENOMEM;
    }
    if (kernel_thread_start(thread, SLOT_NONE, (uint64_t)(uintptr_t)timer_run, 0, 0) != STATUS_OK) {
        personality_panic("net: the timer does not start");
    }
    timer.thread = thread;
    return 0;
}

long inet_start(bool with_timer)
{
    mutex_lock(&inet_lock);
    if (lo == NULL) {
        lwip_init();
        lo = netif_list; /* the only one that lwip_init makes */
        lo->mtu = LO_MTU;
        NETIF_SET_CHECKSUM_CTRL(lo, NETIF_CHECKSUM_DISABLE_ALL);
    }
    long result = with_timer ? timer_start() : 0;
    mutex_unlock(&inet_lock);
    return result;
}
