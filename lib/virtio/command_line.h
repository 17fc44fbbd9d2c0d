/* The kernel command line's virtio_mmio.device=SIZE@BASE:IRQ[:ID] entries, as Linux spells them. */
#pragma once

#include "lib/base/types.h"

struct virtio_mmio_entry {
    uint64_t size_bytes;
    uint64_t base;
    uint32_t irq;
};

/* The next well-formed entry at or behind *next, which moves past it. False when there is none. */
bool virtio_command_line_next(const char **next, struct virtio_mmio_entry *out);
