/* What the parts of the audit share. */
#pragma once

#include "kernel/test/calls/calls.h"

#define AUDIT(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            machine_fail("audit: %s (%s:%d)", #condition, __FILE__, __LINE__);                     \
        }                                                                                          \
    } while (0)

/* The next object of the object table, dying ones too; NULL: none before, or none behind. */
struct object *object_after(struct object *object);
struct object *object_after_of(struct object *object, enum object_type type);

void audit_memories(void);
void audit_mappings(void);
