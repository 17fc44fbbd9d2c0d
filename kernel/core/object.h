/*
 * Every kernel object begins with struct object and is known by its entry in the object table:
 * an index and the generation of that entry. A capability, and every reference inside the kernel
 * that does not own its object, is a handle (index, generation, rights); it turns stale by itself
 * when the object is destroyed and its generation ends.
 *
 * A pointer that handle_object returned stays valid until the CPU leaves the kernel, even when
 * another CPU destroys the object meanwhile: memory is freed one barrier later (core/barrier.c).
 * So every handler locks the object and looks at `dying` before it changes anything.
 */
#pragma once

#include "kernel/core/index_bound.h"
#include "kernel/core/list.h"

/* bits 0-23 index, 24-31 rights, 32-63 generation; 0 is no handle. */
typedef uint64_t handle_t;

struct object {
    union {
        struct {
            uint8_t type;  /* enum object_type */
            uint8_t dying; /* set once, when destruction begins */
        };
        uint16_t live_type; /* the type, as long as it is not dying */
    };
    /* Until its creator is done (core/traps.c): whoever destroys its payer waits; atomic. */
    bool building;
    bool released; /* somebody does the last step of destruction */
    uint32_t size_bytes;
    handle_t handle;             /* without rights */
    struct account *payer;       /* its account; NULL only for the root account */
    struct list_node in_account; /* payer's objects, under the payer's lock */
};

/* struct NAME *object_NAME(struct object *object): the object as what its type says that it is. */
#define OBJECT_AS(name)                                                                            \
    static inline struct name *object_##name(struct object *object)                                \
    {                                                                                              \
        return CONTAINER_OF(object, struct name, object);                                          \
    }

static inline uint32_t handle_rights(handle_t handle)
{
    return (uint32_t)(handle >> 24 & 0xff);
}

/*
 * Charge, allocate zeroed memory, enter into the table and the payer's list. The caller initialises
 * the rest before it gives a handle to anyone. NO_MEMORY, LIMIT_REACHED; BAD_CAPABILITY when the
 * payer is dying.
 */
status_t object_create(struct account *payer, enum object_type type, size_t size_bytes,
                       struct object **out);

/* Its index: what user code knows it by, beside its slots. */
static inline uint32_t object_number(const struct object *object)
{
    return (uint32_t)(object->handle & 0xffffff);
}

static inline handle_t object_handle(const struct object *object, uint32_t rights)
{
    return object->handle | (uint64_t)rights << 24;
}

/*
 * The object table: what a handle's index and generation mean. Entries live in chunks that are
 * never freed, so a stale handle can always be compared.
 */
#define OBJECT_CHUNK_ENTRIES 256
#define OBJECT_CHUNKS_MAX    65536
#define OBJECTS_MAX          (OBJECT_CHUNKS_MAX * OBJECT_CHUNK_ENTRIES)

struct object_entry {
    struct object *object; /* object_none: free */
    uint32_t generation;
    uint32_t next_free;
};

/* As many chunks as the most objects that there ever were at once needed. */
extern struct object_entry *object_chunks[OBJECT_CHUNKS_MAX];
extern uint32_t object_chunk_count;
extern struct object object_none; /* dying and of no type */

/* What a user says to be a handle, without rights: 0 when its index is outside the table. */
static inline handle_t handle_from_user(uint64_t word)
{
    uint32_t index = (uint32_t)(word & 0xffffff);
    if (index / OBJECT_CHUNK_ENTRIES >= __atomic_load_n(&object_chunk_count, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    index = (uint32_t)index_bound(index, OBJECTS_MAX);
    return (word & ~0xffffffffull) | index;
}

/* The handle was made by us: its index is inside. */
static inline struct object_entry *handle_entry(handle_t handle)
{
    uint32_t index = (uint32_t)(handle & 0xffffff);
    return &object_chunks[index / OBJECT_CHUNK_ENTRIES][index % OBJECT_CHUNK_ENTRIES];
}

/*
 * The live object, or NULL. Type OBJECT_NONE accepts every type. The object is read before the
 * generation: an entry gets the next one only when its object is gone.
 */
static inline __attribute__((always_inline)) struct object *
entry_object(const struct object_entry *entry, uint32_t generation, enum object_type type)
{
    struct object *object = __atomic_load_n(&entry->object, __ATOMIC_ACQUIRE);
    if (entry->generation != generation) {
        return NULL;
    }
    if (type == OBJECT_NONE ? object->dying != 0 : object->live_type != (uint16_t)type) {
        return NULL;
    }
    if (object == NULL) {
        __builtin_unreachable(); /* a free entry has object_none */
    }
    return object;
}

static inline __attribute__((always_inline)) struct object *handle_object(handle_t handle,
                                                                          enum object_type type)
{
    return entry_object(handle_entry(handle), (uint32_t)(handle >> 32), type);
}

/* The same until it is gone: for object_destroy, which takes several steps. */
struct object *handle_object_dying(handle_t handle);

/*
 * One bounded step of destroying any object: true when it is completely gone. The first one ends
 * every handle on it; the caller repeats, serving interrupts in between. Of several CPUs that
 * destroy the same object each gets true.
 */
bool object_destroy_step(struct object *object);

extern uint64_t object_count; /* that are alive; atomic */

/* Enter it into the table, from object_create, or the root account, which nothing pays for. False
 * without memory. */
bool object_enter(struct object *object);
