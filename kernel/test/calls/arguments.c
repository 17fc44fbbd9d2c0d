/*
 * Bytes become arguments. What an argument is, its name in abi/syscalls.def says: a slot with an
 * object of the right type, an offset, a deadline. Most are made so that a call goes far; the rest
 * are stale, of the wrong type, or beyond every limit.
 */
#include "kernel/test/calls/calls.h"

#include "kernel/core/clock.h"
#include "kernel/object/domain.h"
#include "lib/base/string.h"

#define ARGUMENTS  6
#define FAVOURITES 0xc0 /* from this byte on, the call is one of those below */
#define NAME_BYTES 64
#define TOKENS     16

/* Of a record: its call, one byte for each argument, and what else is random. */
#define RECORD_CALL      3
#define RECORD_ARGUMENTS 4
#define RECORD_MORE      10

#define KIND(type) (0x100 | OBJECT_##type) /* a slot with such an object */
enum argument_kind {
    KIND_NUMBER,
    KIND_ANY_SLOT,
    KIND_HALF,
    KIND_EMPTY_SLOT,
    KIND_COPY,
    KIND_ADDRESS_RIGHTS,
    KIND_MEMORY_PAIR,
    KIND_ADDRESS,
    KIND_WINDOW_ADDRESS,
    KIND_OFFSET,
    KIND_SIZE,
    KIND_DEADLINE,
    KIND_HEADER,
    KIND_TOKEN,
    KIND_RIGHTS,
    KIND_BITS,
    KIND_SMALL,
    KIND_BYTES,
    KIND_STATE,
    KIND_STATE_BYTES,
    KIND_POSITION,
};

/* The first word that is found in an argument's name decides. */
static const struct {
    const char *word;
    uint32_t kind;
} words[] = {
    {"five words", KIND_COPY},
    {"address | rights", KIND_ADDRESS_RIGHTS},
    {"private slot", KIND_MEMORY_PAIR},
    {"slot for", KIND_EMPTY_SLOT},
    {"slot there", KIND_SMALL},
    {"any capability", KIND_ANY_SLOT},
    {"enum object_state", KIND_STATE},
    {"bytes of its structure", KIND_STATE_BYTES},
    {"position", KIND_POSITION},
    {"enum", KIND_SMALL},
    {"band", KIND_SMALL},
    {"threads", KIND_SMALL},
    {"bytes", KIND_BYTES},
    {"window address", KIND_WINDOW_ADDRESS},
    {"entry", KIND_WINDOW_ADDRESS},
    {"offset", KIND_OFFSET},
    {"size", KIND_SIZE},
    {"address", KIND_ADDRESS},
    {"deadline", KIND_DEADLINE},
    {"nanoseconds", KIND_DEADLINE},
    {"header", KIND_HEADER},
    {"token", KIND_TOKEN},
    {"slot", KIND_EMPTY_SLOT},
    {"half", KIND_HALF},
    {"account", KIND(ACCOUNT)},
    {"parent", KIND(ACCOUNT)},
    {"domain", KIND(DOMAIN)},
    {"space", KIND(SPACE)},
    {"memory", KIND(MEMORY)},
    {"thread", KIND(THREAD)},
    {"endpoint", KIND(ENDPOINT)},
    {"gate", KIND(GATE)},
    {"signal", KIND(SIGNAL)},
    {"irq", KIND(IRQ)},
    {"ioport", KIND(IOPORT)},
    {"platform", KIND(PLATFORM)},
    {"rights", KIND_RIGHTS},
    {"mask", KIND_BITS},
    {"bits", KIND_BITS},
};

#define KERNEL_CALL(number, name, arguments, results, type, rights, other, makes, shape, meaning)  \
    [number] = shape,
static const char *const shapes[] = {
#include "abi/syscalls.def"
};
#undef KERNEL_CALL

static struct {
    uint32_t kind[KERNEL_CALLS][ARGUMENTS];
    uint64_t token[TOKENS]; /* that threads received last */
} state;

/* Those that need one another come more often. */
static const uint32_t favourites[] = {
    CALL_gate_call,   CALL_endpoint_receive, CALL_endpoint_reply, CALL_endpoint_reply_receive,
    CALL_gate_call,   CALL_endpoint_receive, CALL_memory_clone,   CALL_region_map,
    CALL_memory_move, CALL_thread_unpark,    CALL_object_destroy, CALL_thread_start,
};

/* --- what an argument is ---------------------------------------------------------------------- */

static uint32_t kind_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strstr(name, words[i].word) != NULL) {
            return words[i].kind;
        }
    }
    return KIND_NUMBER;
}

/* The next argument's name, without what stands in parentheses; false behind the last. */
static bool name_next(const char **shape, char name[NAME_BYTES])
{
    size_t length = 0;
    bool inside = false;
    const char *at = *shape;
    for (; *at != 0 && (inside || (*at != ',' && *at != ';' && strncmp(at, "->", 2) != 0)); at++) {
        inside = *at == '(' || (inside && *at != ')');
        if (!inside && *at != ')' && length < NAME_BYTES - 1) {
            name[length++] = *at;
        }
    }
    name[length] = 0;
    *shape = *at == ',' ? at + 1 : "";
    return length > 0;
}

void arguments_prepare(void)
{
    char name[NAME_BYTES];
    for (uint32_t call = 0; call < KERNEL_CALLS; call++) {
        const char *shape = shapes[call];
        for (uint32_t i = 0; i < ARGUMENTS; i++) {
            bool again = i > 0 && state.kind[call][i - 1] == KIND_COPY;
            state.kind[call][i] = name_next(&shape, name) ? kind_of(name)
                                  : again                 ? KIND_COPY
                                                          : KIND_NUMBER;
        }
    }
}

/* --- values ----------------------------------------------------------------------------------- */

static uint32_t type_at(const struct thread *thread, uint64_t slot)
{
    const struct object *object = handle_object(domain_slot(thread->domain, slot), OBJECT_NONE);
    return object == NULL ? OBJECT_NONE : object->type;
}

static bool fits(uint32_t type, uint32_t kind)
{
    return kind == KIND_ANY_SLOT
               ? type != OBJECT_NONE
               : (kind == KIND_HALF ? type == OBJECT_DOMAIN || type == OBJECT_SPACE
                                    : (kind & 0xff) == type);
}

/* One of the slots that fit; any slot when none does. */
static uint64_t slot_fitting(const struct thread *thread, uint32_t kind, uint32_t index)
{
    uint64_t found[WORLD_SLOTS];
    uint32_t count = 0;
    for (uint64_t slot = 1; slot < WORLD_SLOTS; slot++) {
        if (fits(type_at(thread, slot), kind)) {
            found[count++] = slot;
        }
    }
    return count == 0 ? index : found[index % count];
}

static uint64_t slot_empty(const struct thread *thread, uint32_t index)
{
    uint64_t slot = 1 + index;
    while (slot < WORLD_SLOTS && type_at(thread, slot) != OBJECT_NONE) {
        slot++;
    }
    return slot;
}

static uint64_t deadline(uint32_t index)
{
    return index % 4 == 0   ? DEADLINE_NEVER
           : index % 4 == 1 ? 0
                            : clock_now_ns() + (1000ull << index % 16);
}

static uint64_t header(uint32_t index, uint8_t more)
{
    uint64_t interruptible = more & 0x80 ? MESSAGE_INTERRUPTIBLE : 0;
    return MESSAGE_HEADER(index, more % 68, more & 0x40 ? index % 6 : 0) | interruptible;
}

static uint64_t size_bytes(uint32_t index)
{
    return index < 48 ? (1 + index % 16) * PAGE_SIZE : PAGE_SIZE << (index - 48) * 2;
}

uint64_t arguments_address(bool application, uint8_t byte)
{
    uint64_t page = byte % 128;
    uint64_t base = !application ? WORLD_WINDOW : byte < 128 ? WORLD_APPLICATION : WORLD_FAR;
    return base + (page % (WORLD_PAGES + 2)) * PAGE_SIZE;
}

static uint64_t capability_word(const struct thread *thread, uint32_t index, uint8_t more)
{
    uint64_t here = more % 8 == 0 ? 0 : slot_fitting(thread, KIND_ANY_SLOT, more);
    uint64_t rights = more & 0x40 ? more : RIGHTS_ALL;
    return more % 16 == 9 ? CAPABILITY_TAKE(1 + index, slot_empty(thread, more), rights)
                          : CAPABILITY_COPY(1 + index, here, rights);
}

static uint64_t memory_pair(const struct thread *thread, uint32_t index, uint8_t more)
{
    uint64_t private = index % 8 == 7 ? 0 : slot_fitting(thread, KIND(MEMORY), index);
    uint64_t source = more % 2 == 0 ? 0 : slot_fitting(thread, KIND(MEMORY), more / 2);
    return private | source << 32;
}

/* Of the state in the second argument. */
static uint64_t state_bytes(uint64_t number)
{
    static const uint32_t bytes[OBJECT_STATES] = {
        [STATE_ACCOUNT] = sizeof(struct account_usage),
        [STATE_DOMAIN] = sizeof(struct domain_report),
        [STATE_THREAD] = sizeof(struct thread_usage),
        [STATE_PLATFORM] = sizeof(struct platform_state),
        [STATE_REGION] = sizeof(struct region_state),
        [STATE_MEMORY] = sizeof(struct memory_state),
        [STATE_PAGES] = sizeof(struct memory_pages),
        [STATE_PAYER] = sizeof(struct object_payer),
        [STATE_GATE] = sizeof(struct gate_state),
        [STATE_SIGNAL] = sizeof(struct signal_state),
        [STATE_REGISTERS] = sizeof(struct thread_registers),
        [STATE_FPU] = sizeof(struct thread_fpu),
        [STATE_DEBUG] = sizeof(struct thread_debug),
    };
    return number < OBJECT_STATES ? bytes[number] : 0;
}

/* One that the object has, mostly. */
static uint64_t state_fitting(const struct thread *thread, uint32_t index)
{
    switch (index % 4 == 3 ? OBJECT_NONE : type_at(thread, thread->registers.rdi)) {
    case OBJECT_MEMORY:
        return index % 4 == 0 ? STATE_MEMORY : STATE_PAGES;
    case OBJECT_THREAD:
        return index % 4 == 0 ? STATE_FPU : index % 4 == 1 ? STATE_DEBUG : STATE_REGISTERS;
    case OBJECT_DOMAIN:
    case OBJECT_SPACE:
        return STATE_REGION;
    default:
        return index % OBJECT_STATES;
    }
}

static uint64_t position(const struct thread *thread, uint32_t index)
{
    switch (thread->registers.rsi) {
    case STATE_REGION:
        return arguments_address(type_at(thread, thread->registers.rdi) != OBJECT_DOMAIN,
                                 (uint8_t)index);
    case STATE_FPU:
        return index % 8 * THREAD_FPU_BYTES;
    case STATE_MEMORY:
        return index * PAGE_SIZE;
    default:
        return index < 56 ? 0 : index * PAGES_OF_STATE * PAGE_SIZE;
    }
}

/* As it is meant to be. */
static uint64_t value_proper(const struct thread *thread, uint32_t kind, uint32_t index,
                             uint8_t more)
{
    switch (kind) {
    case KIND_EMPTY_SLOT:
        return slot_empty(thread, index);
    case KIND_COPY:
        return capability_word(thread, index, more);
    case KIND_ADDRESS:
    case KIND_ADDRESS_RIGHTS: {
        bool application = type_at(thread, thread->registers.rdi) != OBJECT_DOMAIN;
        uint64_t address = arguments_address(application, (uint8_t)(index | (more & 0x80)));
        return address | (kind == KIND_ADDRESS ? 0 : more & 7);
    }
    case KIND_MEMORY_PAIR:
        return memory_pair(thread, index, more);
    case KIND_WINDOW_ADDRESS:
        return WORLD_WINDOW + index * PAGE_SIZE;
    case KIND_OFFSET:
        return index * PAGE_SIZE;
    case KIND_SIZE:
        return size_bytes(index);
    case KIND_BYTES:
        return more & 1 ? UINT64_MAX : index * PAGE_SIZE;
    case KIND_DEADLINE:
        return deadline(index);
    case KIND_HEADER:
        return header(index, more);
    case KIND_TOKEN:
        return state.token[index < 48 ? object_number(&thread->object) % TOKENS : index % TOKENS];
    case KIND_RIGHTS:
        return index == 63 ? RIGHTS_ALL : index % 16;
    case KIND_BITS:
        return index < 8 ? 1ull << index : UINT64_MAX;
    case KIND_SMALL:
        return index < 32 ? index % 2 : index % 8;
    case KIND_STATE:
        return state_fitting(thread, index);
    case KIND_STATE_BYTES:
        return state_bytes(thread->registers.rsi);
    case KIND_POSITION:
        return position(thread, index);
    case KIND_NUMBER:
        return more & 1 ? (uint64_t)index * 1000000 : index;
    default:
        return slot_fitting(thread, kind, index);
    }
}

uint64_t arguments_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return machine_stale(word) ? 0 : word;
}

/* As a hostile program would like it to be. */
static uint64_t value_odd(const struct thread *thread, uint32_t index, const uint8_t *record)
{
    static const uint64_t odd[] = {
        0,         1,          UINT64_MAX,        UINT64_MAX - PAGE_SIZE + 1,
        SLOTS - 1, SLOTS,      1ull << 63,        APPLICATION_END,
        PAGE_SIZE, WORLD_FAR,  WINDOW_BASE,       WINDOW_BASE + WINDOW_SIZE - PAGE_SIZE,
        4095,      1ull << 53, 0x800000000000ull, 0xfffull << 52,
    };
    if (index < ARRAY_LENGTH(odd)) {
        return odd[index];
    }
    return index < 32   ? arguments_word(record + RECORD_BYTES - sizeof(uint64_t))
           : index < 48 ? thread->registers.rsi
                        : slot_fitting(thread, KIND_ANY_SLOT, index);
}

void arguments_note(const struct thread *thread)
{
    uint64_t result = thread->registers.rdx;
    handle_t handle = handle_from_user(result);
    if (handle != 0 && handle_object(handle, OBJECT_THREAD) != NULL) {
        state.token[object_number(&thread->object) % TOKENS] = result;
    }
}

/* What the call may look at beside registers: the frame is the program's to write. */
static void frame_fill(const struct thread *thread, const uint8_t *more)
{
    struct thread_frame *frame = thread->frame;
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        frame->send[i] = (uint32_t)slot_fitting(thread, KIND_ANY_SLOT, more[i] + i);
        frame->receive[i] = more[1] & 1u << i ? (uint32_t)slot_empty(thread, more[i] % 64) : 0;
    }
    if (more[0] % 32 == 0) {
        frame->send[0] = UINT32_MAX;
        frame->receive[0] = SLOTS - more[1] % 4;
    }
    frame->application.rip = more[2] % 16 == 0 ? (uint64_t)more[3] << 40 : WORLD_APPLICATION;
    frame->application.rflags = 0xffffffffu;
    frame->application.rsp = WORLD_APPLICATION;
    frame->personality.rip = more[2] % 16 == 1 ? (uint64_t)more[3] << 43 : WORLD_WINDOW;
    frame->message[0] = more[0];
    frame->message[4] = more[1] % 4; /* of struct thread_debug, its control */
    /* For object_write: struct memory_pages, or thread_registers. */
    struct memory_pages *pages = (void *)frame->message;
    memset(pages->written, more[1] == 0xa5 ? 0 : more[1], sizeof(pages->written));
    struct thread_registers *written = (void *)frame->message;
    written->rip = more[2] % 2 == 0 ? WORLD_APPLICATION : WORLD_WINDOW;
    written->fs_base = more[3] % 8 == 0 ? 1ull << 63 : 0;
    written->gs_base = 0;
    written->flags = more[2] % 2 == 0 ? more[1] | THREAD_IN_APPLICATION
                                      : more[1] & ~(uint32_t)THREAD_IN_APPLICATION;
    written->flags &= more[0] % 8 == 0 ? UINT64_MAX : THREAD_REGISTER_FLAGS;
}

/* Half of those calls that may take more of the same from the message do, of one as random as their
 * own. */
static void message_more(struct thread *thread, uint32_t call, const uint8_t record[RECORD_BYTES])
{
    uint64_t *message = thread->frame->message;
    uint32_t count = call == CALL_region_map ? REGION_WORDS : 1;
    if ((call != CALL_region_map && call != CALL_capabilities_copy) || record[RECORD_MORE] % 2) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t other = ARGUMENTS - 1 - i;
        message[i] =
            value_proper(thread, state.kind[call][i + 1], record[RECORD_ARGUMENTS + other] % 64,
                         record[RECORD_MORE + other]);
    }
    thread->registers.rsi |= call == CALL_region_map ? REGION_MORE(1) : 0;
    thread->registers.r9 |= call == CALL_region_map ? 0 : CAPABILITY_MORE(1);
}

void arguments_fill(struct thread *thread, const uint8_t record[RECORD_BYTES])
{
    struct registers *registers = &thread->registers;
    uint64_t *place[ARGUMENTS] = {&registers->rdi, &registers->rsi, &registers->rdx,
                                  &registers->r10, &registers->r8,  &registers->r9};
    uint32_t call = record[RECORD_CALL] < FAVOURITES
                        ? record[RECORD_CALL] % (KERNEL_CALLS + 1u)
                        : favourites[record[RECORD_CALL] % ARRAY_LENGTH(favourites)];
    for (uint32_t i = 0; i < ARGUMENTS; i++) {
        uint8_t byte = record[RECORD_ARGUMENTS + i];
        uint8_t more = record[RECORD_MORE + i];
        uint32_t kind = call < KERNEL_CALLS ? state.kind[call][i] : KIND_NUMBER;
        *place[i] = byte >= 0xe0 ? value_odd(thread, byte % 32 + (more & 0x20u), record)
                                 : value_proper(thread, kind, byte % 64, more);
    }
    frame_fill(thread, record + RECORD_BYTES - MESSAGE_CAPABILITIES);
    message_more(thread, call, record);
    registers->rax = call;
}
