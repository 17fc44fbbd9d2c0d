/*
 * The reserve is the guarantee of an account under the personality's that nobody uses: a guarantee
 * takes memory from the books, not from the machine. Lowering it gives it back to the personality's
 * account, which keeps that much before returning any.
 */
#include "linux/core/reserve.h"

#include "abi/container.h"
#include "lib/oak/kernel.h"
#include "linux/core/thread.h"

#define PIECES      4
#define PIECE_BYTES (4 * PAGE_SIZE)
#define PAUSES_MAX  5000

/* Not one of slot_alloc's: that may need memory. */
#define SLOT_RESERVE (CONTAINER_SLOT_FIRST_FREE - 1)

static struct {
    bool started;
    bool busy;       /* somebody changes it; atomic */
    bool made;       /* the account is there */
    uint32_t pieces; /* held; atomic */
    uint32_t pauses; /* since it was full; atomic */
} reserve;

/* Not a mutex: whoever waits for one may need memory. What is written meanwhile lies in one page.
 */
static void turn_begin(void)
{
    while (__atomic_exchange_n(&reserve.busy, true, __ATOMIC_ACQUIRE)) {
        (void)kernel_thread_yield();
    }
}

static void turn_end(void)
{
    __atomic_store_n(&reserve.busy, false, __ATOMIC_RELEASE);
}

/* In a turn, as is what follows. */
static bool account_make(void)
{
    static const uint64_t all_bytes = PIECES * PIECE_BYTES;
    if (!reserve.made) {
        reserve.made =
            kernel_account_create(SLOT_ACCOUNT, SLOT_RESERVE, 0, all_bytes, 0) == STATUS_OK;
    }
    return reserve.made;
}

static bool pieces_set(uint32_t pieces)
{
    bool set = kernel_account_set(SLOT_RESERVE, ACCOUNT_GUARANTEE_BYTES, pieces * PIECE_BYTES,
                                  SLOT_NONE, 0) == STATUS_OK;
    if (set) {
        __atomic_store_n(&reserve.pieces, pieces, __ATOMIC_RELEASE);
    }
    return set;
}

static uint32_t pieces_held(void)
{
    return __atomic_load_n(&reserve.pieces, __ATOMIC_ACQUIRE);
}

void reserve_start(void)
{
    reserve.started = true;
}

/* As many as there is memory for; true: all. */
static bool pieces_add(void)
{
    while (reserve.pieces < PIECES && pieces_set(reserve.pieces + 1)) {
    }
    return reserve.pieces == PIECES;
}

bool reserve_full(void)
{
    /* The template has no reserve: the engine pays for it. */
    if (!reserve.started) {
        return true;
    }
    bool full = true;
    if (pieces_held() != PIECES) {
        turn_begin();
        full = account_make() && (pieces_set(PIECES) || pieces_add());
        turn_end();
    }
    if (full && __atomic_load_n(&reserve.pauses, __ATOMIC_RELAXED) != 0) {
        __atomic_store_n(&reserve.pauses, 0, __ATOMIC_RELAXED);
    }
    return full;
}

bool reserve_spend(void)
{
    turn_begin();
    bool spent = reserve.pieces > 0 && pieces_set(reserve.pieces - 1);
    turn_end();
    if (spent) {
        return true;
    }
    /* The books may have room again when a process has ended. */
    thread_pause();
    return __atomic_add_fetch(&reserve.pauses, 1, __ATOMIC_RELAXED) < PAUSES_MAX;
}

bool reserve_comfortable(void)
{
    return pieces_held() > PIECES / 2;
}
