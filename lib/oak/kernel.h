/*
 * The kernel calls as inline functions, expanded from abi/syscalls.def, and the way from a stack
 * pointer to the thread's frame.
 *
 * Each call is `status_t kernel_NAME(arguments as u64...)`; calls with results take a last argument
 * `struct kernel_results *out`, which is written whatever the status is. Meaning, rights and order
 * of the arguments: abi/syscalls.def. No state, no stack use beyond registers: safe anywhere in
 * personality mode.
 */
#pragma once

#include "lib/base/string.h"
#include "lib/base/types.h"

struct kernel_results {
    uint64_t value[3]; /* RDI, RSI, RDX */
};

static inline __attribute__((always_inline)) status_t
kernel_call_3(uint64_t number, uint64_t a, uint64_t b, uint64_t c, struct kernel_results *out)
{
    uint64_t status = number;
    __asm__ volatile("syscall"
                     : "+a"(status), "+D"(a), "+S"(b), "+d"(c)
                     :
                     : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
    *out = (struct kernel_results){{a, b, c}};
    return (status_t)status;
}

static inline __attribute__((always_inline)) status_t kernel_call_4(uint64_t number, uint64_t a,
                                                                    uint64_t b, uint64_t c,
                                                                    uint64_t d,
                                                                    struct kernel_results *out)
{
    uint64_t status = number;
    register uint64_t r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "+a"(status), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
                     :
                     : "rcx", "r8", "r9", "r11", "memory", "cc");
    *out = (struct kernel_results){{a, b, c}};
    return (status_t)status;
}

static inline __attribute__((always_inline)) status_t
kernel_call_6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
              uint64_t f, struct kernel_results *out)
{
    uint64_t status = number;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "+a"(status), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory", "cc");
    *out = (struct kernel_results){{a, b, c}};
    return (status_t)status;
}

/* By the number of arguments: the parameters, and the call that carries them. */
#define KERNEL_PARAMETERS_1        uint64_t a
#define KERNEL_PARAMETERS_2        KERNEL_PARAMETERS_1, uint64_t b
#define KERNEL_PARAMETERS_3        KERNEL_PARAMETERS_2, uint64_t c
#define KERNEL_PARAMETERS_4        KERNEL_PARAMETERS_3, uint64_t d
#define KERNEL_PARAMETERS_5        KERNEL_PARAMETERS_4, uint64_t e
#define KERNEL_PARAMETERS_6        KERNEL_PARAMETERS_5, uint64_t f
#define KERNEL_PASS_0(number, out) kernel_call_3(number, 0, 0, 0, out)
#define KERNEL_PASS_1(number, out) kernel_call_3(number, a, 0, 0, out)
#define KERNEL_PASS_2(number, out) kernel_call_3(number, a, b, 0, out)
#define KERNEL_PASS_3(number, out) kernel_call_3(number, a, b, c, out)
#define KERNEL_PASS_4(number, out) kernel_call_4(number, a, b, c, d, out)
#define KERNEL_PASS_5(number, out) kernel_call_6(number, a, b, c, d, e, 0, out)
#define KERNEL_PASS_6(number, out) kernel_call_6(number, a, b, c, d, e, f, out)

/* By the number of results: none, or a place for them. */
#define KERNEL_STUB_0(number, name, parameters, pass)                                              \
    static inline status_t kernel_##name(parameters)                                               \
    {                                                                                              \
        struct kernel_results ignored;                                                             \
        return pass(number, &ignored);                                                             \
    }
#define KERNEL_STUB_1(number, name, parameters, pass)                                              \
    static inline status_t kernel_##name(parameters, struct kernel_results *out)                   \
    {                                                                                              \
        return pass(number, out);                                                                  \
    }
#define KERNEL_STUB_2       KERNEL_STUB_1
#define KERNEL_STUB_3       KERNEL_STUB_1
#define KERNEL_PARAMETERS_0 void

#define KERNEL_CALL(number, name, arguments, results, type, rights, other, makes, shape, meaning)  \
    KERNEL_STUB_##results(number, name, KERNEL_PARAMETERS_##arguments, KERNEL_PASS_##arguments)
#include "abi/syscalls.def"
#undef KERNEL_CALL

static inline status_t kernel_capability_copy(uint64_t domain, uint64_t there, uint64_t here,
                                              uint64_t rights)
{
    return kernel_capabilities_copy(domain, CAPABILITY_COPY(there, here, rights), 0, 0, 0, 0);
}

static inline status_t kernel_capability_drop(uint64_t domain, uint64_t there)
{
    return kernel_capabilities_copy(domain, CAPABILITY_COPY(there, 0, 0), 0, 0, 0, 0);
}

/*
 * The frame of the running thread. Its stack lies below the frame in the same aligned block, and
 * RSP equals the frame's address before the first push: hence the minus one.
 */
static inline struct thread_frame *thread_frame_self(void)
{
    uint64_t stack;
    __asm__ volatile("mov %%rsp, %0" : "=r"(stack));
    uint64_t block = ALIGN_DOWN(stack - 1, THREAD_BLOCK_SIZE);
    return (struct thread_frame *)(block + THREAD_FRAME_OFFSET);
}

/* object_read into `out`, the structure that abi/kernel.h has for it; not written on failure. */
static inline status_t object_state_at(uint64_t object, enum object_state state, uint64_t position,
                                       void *out, size_t size_bytes)
{
    status_t status = kernel_object_read(object, state, size_bytes, position);
    if (status == STATUS_OK) {
        memcpy(out, thread_frame_self()->message, size_bytes);
    }
    return status;
}

static inline status_t object_state(uint64_t object, enum object_state state, void *out,
                                    size_t size_bytes)
{
    return object_state_at(object, state, 0, out, size_bytes);
}

/* Does the memory have the page at that offset now? Of a view: its base. */
static inline bool memory_page_present(uint64_t memory, uint64_t offset)
{
    struct memory_state state;
    return object_state_at(memory, STATE_MEMORY, offset, &state, sizeof(state)) == STATUS_OK &&
           state.present != 0;
}

/* object_write of such a structure. */
static inline status_t object_change(uint64_t object, enum object_state state, uint64_t position,
                                     const void *in, size_t size_bytes)
{
    memcpy(thread_frame_self()->message, in, size_bytes);
    return kernel_object_write(object, state, size_bytes, position);
}
