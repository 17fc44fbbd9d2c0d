/* A bitmap, one bit per slot (1: taken), searched from where the last search ended. */
#include "lib/oak/slots.h"

#include "lib/oak/kernel.h"

#define WORD_BITS 64

static uint64_t taken[(SLOTS - SLOT_DYNAMIC) / WORD_BITS];
static size_t next_word;

status_t slot_allocate(uint32_t *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        size_t word = (next_word + i) % ARRAY_LENGTH(taken);
        if (taken[word] == UINT64_MAX) {
            continue;
        }
        uint32_t bit = (uint32_t)__builtin_ctzll(~taken[word]);
        taken[word] |= 1ull << bit;
        next_word = word;
        *out = (uint32_t)(SLOT_DYNAMIC + word * WORD_BITS + bit);
        return STATUS_OK;
    }
    return STATUS_LIMIT_REACHED;
}

void slot_free(uint32_t slot)
{
    if (slot >= SLOT_DYNAMIC && slot < SLOTS) {
        uint32_t index = slot - SLOT_DYNAMIC;
        taken[index / WORD_BITS] &= ~(1ull << index % WORD_BITS);
        next_word = MIN(next_word, (size_t)(index / WORD_BITS));
    }
}

void slot_release(uint32_t slot)
{
    if (slot != SLOT_NONE) {
        kernel_capability_drop(SLOT_DOMAIN, slot);
        slot_free(slot);
    }
}

void slot_destroy(uint32_t slot)
{
    if (slot != SLOT_NONE) {
        /* A slot whose object is gone counts as empty. */
        if (kernel_object_destroy(slot) == STATUS_OK) {
            slot_free(slot);
        } else {
            slot_release(slot);
        }
    }
}

status_t slot_copy(uint32_t slot, uint32_t rights, uint32_t *out)
{
    uint32_t copy;
    status_t status = slot_allocate(&copy);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_capability_copy(SLOT_DOMAIN, copy, slot, rights);
    if (status != STATUS_OK) {
        slot_free(copy);
        return status;
    }
    *out = copy;
    return STATUS_OK;
}
