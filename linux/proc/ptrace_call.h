/* What ptrace(2) asks for, among its files. User addresses are touched with no lock held. */
#pragma once

#include "linux/proc/ptrace.h"

/* ptrace.c. -EPERM, -ESRCH, -ENOMEM. */
long trace_me(void);
/* options: what a seizing tracer sets at once. */
long trace_attach(int tid, bool seize, uint32_t options);

/* The trace of a task that the current process traces and that is stopped; NULL: it is neither, or
 * was killed. Under tasks_lock. */
struct trace *trace_stopped(int tid);

/* ptrace_registers.c: the requests about registers of task `tid`. -ESRCH, -EFAULT, -EIO: a value
 * that cannot be. */
long trace_registers_get(int tid, uint64_t user_registers);
long trace_registers_set(int tid, uint64_t user_registers);
/* The word at that offset in struct user. */
long trace_user_peek(int tid, uint64_t offset, uint64_t user_word);
long trace_user_poke(int tid, uint64_t offset, uint64_t word);
long trace_arch_prctl(int tid, uint64_t argument, uint64_t option);
long trace_call_info(int tid, uint64_t user_info, uint64_t size_bytes);

/* ptrace_debug.c: DR0 to DR7 of a stopped task, under tasks_lock. -EINVAL, -EIO. */
uint64_t trace_debug_peek(const struct trace *trace, uint64_t number);
long trace_debug_poke(struct trace *trace, uint64_t number, uint64_t word);

/* ptrace_regset.c: FXSAVE's area alone, and what struct iovec names (NT_*). */
long trace_fpu_get(int tid, uint64_t user_area);
long trace_fpu_set(int tid, uint64_t user_area);
long trace_regset_get(int tid, uint64_t type, uint64_t user_vector);
long trace_regset_set(int tid, uint64_t type, uint64_t user_vector);

/* struct user_regs_struct (sys/user.h). */
#define USER_REGISTERS 27
enum user_register {
    USER_R15,
    USER_R14,
    USER_R13,
    USER_R12,
    USER_RBP,
    USER_RBX,
    USER_R11,
    USER_R10,
    USER_R9,
    USER_R8,
    USER_RAX,
    USER_RCX,
    USER_RDX,
    USER_RSI,
    USER_RDI,
    USER_ORIG_RAX,
    USER_RIP,
    USER_CS,
    USER_RFLAGS,
    USER_RSP,
    USER_SS,
    USER_FS_BASE,
    USER_GS_BASE,
    USER_DS,
    USER_ES,
    USER_FS,
    USER_GS,
};

struct user_registers {
    uint64_t word[USER_REGISTERS];
};

/* Of a stopped task, under tasks_lock. */
void user_registers_fill(struct user_registers *out, const struct trace *trace);
/* -EIO, and nothing has changed. */
long user_registers_load(struct trace *trace, const struct user_registers *from);
