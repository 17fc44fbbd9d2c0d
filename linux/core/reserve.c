/*
 * The reserve is a few accounts under the personality's, each with a guarantee that nobody uses:
 * the guarantee takes memory from the books, not from the machine. Destroying one gives its
 * guarantee back to the personality's account, which keeps that much before returning any.
 *
 * A piece is held, empty, or, in neither mask, in the hands of the thread that changes it.
 */
#include "linux/core/reserve.h"

#include "lib/oak/kernel.h"
#include "linux/core/thread.h"
#include "linux/core/window.h"

#define PIECES      4
#define PIECE_BYTES (4 * PAGE_SIZE)
#define ALL_PIECES  ((1u << PIECES) - 1)
#define PAUSES_MAX  5000

static struct {
    uint32_t held; /* masks of pieces; atomic */
    uint32_t empty;
    uint32_t pauses; /* since it was full; atomic */
    bool started;
    uint32_t slot[PIECES];
} reserve;

/* Take one bit out of a mask; PIECES: it has none. */
static uint32_t piece_take(uint32_t *mask)
{
    uint32_t seen = __atomic_load_n(mask, __ATOMIC_ACQUIRE);
    while (seen != 0) {
        if (__atomic_compare_exchange_n(mask, &seen, seen & (seen - 1), false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            return (uint32_t)__builtin_ctz(seen);
        }
    }
    return PIECES;
}

static void piece_put(uint32_t *mask, uint32_t piece)
{
    __atomic_fetch_or(mask, 1u << piece, __ATOMIC_ACQ_REL);
}

void reserve_start(void)
{
    for (uint32_t piece = 0; piece < PIECES; piece++) {
        reserve.slot[piece] = slot_alloc();
    }
    reserve.empty = ALL_PIECES;
    reserve.started = true;
    (void)reserve_full();
}

bool reserve_full(void)
{
    /* The template has no reserve: the engine pays for it. */
    while (reserve.started && __atomic_load_n(&reserve.held, __ATOMIC_ACQUIRE) != ALL_PIECES) {
        uint32_t piece = piece_take(&reserve.empty);
        if (piece == PIECES) {
            (void)kernel_thread_yield(); /* another thread changes it just now */
            continue;
        }
        status_t status =
            kernel_account_create(SLOT_ACCOUNT, reserve.slot[piece], PIECE_BYTES, PIECE_BYTES, 0);
        piece_put(status == STATUS_OK ? &reserve.held : &reserve.empty, piece);
        if (status != STATUS_OK) {
            return false;
        }
    }
    if (__atomic_load_n(&reserve.pauses, __ATOMIC_RELAXED) != 0) {
        __atomic_store_n(&reserve.pauses, 0, __ATOMIC_RELAXED);
    }
    return true;
}

bool reserve_spend(void)
{
    uint32_t piece = piece_take(&reserve.held);
    if (piece == PIECES) {
        /* The books may have room again when a process has ended. */
        thread_pause();
        return __atomic_add_fetch(&reserve.pauses, 1, __ATOMIC_RELAXED) < PAUSES_MAX;
    }
    (void)kernel_object_destroy(reserve.slot[piece]);
    piece_put(&reserve.empty, piece);
    return true;
}

bool reserve_comfortable(void)
{
    uint32_t pieces = 0;
    for (uint32_t held = __atomic_load_n(&reserve.held, __ATOMIC_ACQUIRE); held != 0;
         held &= held - 1) {
        pieces++;
    }
    return pieces > PIECES / 2;
}
