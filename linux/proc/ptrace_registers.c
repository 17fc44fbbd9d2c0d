/*
 * The general registers of a stopped task, for its tracer. They lie on its stack in the personality
 * and in its frame; all are loaded again when it goes on. Whatever a tracer writes is a program's
 * to have: RFLAGS is masked here and by the kernel, an address that cannot be executed is a fault
 * of the program, and segments stay what they are.
 */
#include "linux/core/user.h"
#include "linux/proc/ptrace_call.h"
#include "linux/proc/task.h"

/* CF, PF, AF, ZF, SF, TF, DF, OF, RF, AC. */
#define RFLAGS_CHANGEABLE 0x50dd5ull

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

/* struct user (asm/user_64.h). */
#define USER_BYTES          928
#define USER_DEBUG_REGISTER 848
#define DEBUG_REGISTERS     8

#define ARCHITECTURE_X86_64 0xc000003eu
#define CALL_STOP_CODE      (SIGTRAP | 0x80)

void user_registers_fill(struct user_registers *out, const struct trace *trace)
{
    const struct task *task = trace->task;
    const struct application_registers *registers = task->registers;
    const struct trap_words *words = &task->frame->application;
    *out = (struct user_registers){{
        [USER_R15] = registers->r15,     [USER_R14] = registers->r14,
        [USER_R13] = registers->r13,     [USER_R12] = registers->r12,
        [USER_RBP] = registers->rbp,     [USER_RBX] = registers->rbx,
        [USER_R11] = words->r11,         [USER_R10] = registers->r10,
        [USER_R9] = registers->r9,       [USER_R8] = registers->r8,
        [USER_RAX] = words->rax,         [USER_RCX] = words->rcx,
        [USER_RDX] = registers->rdx,     [USER_RSI] = registers->rsi,
        [USER_RDI] = registers->rdi,     [USER_ORIG_RAX] = (uint64_t)task->call_number,
        [USER_RIP] = words->rip,         [USER_CS] = USER_CODE_SELECTOR,
        [USER_RFLAGS] = words->rflags,   [USER_RSP] = words->rsp,
        [USER_SS] = USER_STACK_SELECTOR, [USER_FS_BASE] = trace->fs_base,
        [USER_GS_BASE] = trace->gs_base,
    }};
}

static bool may_be_loaded(const struct user_registers *from)
{
    const uint64_t *word = from->word;
    return word[USER_CS] == USER_CODE_SELECTOR && word[USER_SS] == USER_STACK_SELECTOR &&
           word[USER_DS] == 0 && word[USER_ES] == 0 && word[USER_FS] == 0 && word[USER_GS] == 0 &&
           word[USER_FS_BASE] < APPLICATION_END && word[USER_GS_BASE] < APPLICATION_END;
}

long user_registers_load(struct trace *trace, const struct user_registers *from)
{
    struct task *task = trace->task;
    struct application_registers *registers = task->registers;
    struct trap_words *words = &task->frame->application;
    const uint64_t *word = from->word;
    if (!may_be_loaded(from)) {
        return -EIO;
    }
    *registers = (struct application_registers){
        .r15 = word[USER_R15],
        .r14 = word[USER_R14],
        .r13 = word[USER_R13],
        .r12 = word[USER_R12],
        .rbp = word[USER_RBP],
        .rbx = word[USER_RBX],
        .r10 = word[USER_R10],
        .r9 = word[USER_R9],
        .r8 = word[USER_R8],
        .rdx = word[USER_RDX],
        .rsi = word[USER_RSI],
        .rdi = word[USER_RDI],
    };
    words->r11 = word[USER_R11];
    words->rax = word[USER_RAX];
    words->rcx = word[USER_RCX];
    words->rip = word[USER_RIP];
    words->rsp = word[USER_RSP];
    words->rflags = (words->rflags & ~RFLAGS_CHANGEABLE) | (word[USER_RFLAGS] & RFLAGS_CHANGEABLE);
    task->call_number = (long)word[USER_ORIG_RAX];
    trace->fs_base = word[USER_FS_BASE];
    trace->gs_base = word[USER_GS_BASE];
    return 0;
}

/* --- all of them ----------------------------------------------------------------------------- */

static long registers_read(int tid, struct user_registers *out)
{
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    if (trace != NULL) {
        user_registers_fill(out, trace);
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : 0;
}

long trace_registers_get(int tid, uint64_t user_registers)
{
    struct user_registers registers;
    long result = registers_read(tid, &registers);
    return result != 0 ? result : copy_to_user(user_registers, &registers, sizeof(registers));
}

long trace_registers_set(int tid, uint64_t user_registers)
{
    struct user_registers registers;
    if (copy_from_user(&registers, user_registers, sizeof(registers)) != 0) {
        return -EFAULT;
    }
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    long result = trace == NULL ? -ESRCH : user_registers_load(trace, &registers);
    mutex_unlock(&tasks_lock);
    return result;
}

/* --- struct user ----------------------------------------------------------------------------- */

/* Which debug register lies there; DEBUG_REGISTERS: none. */
static uint64_t debug_number(uint64_t offset)
{
    return MIN((offset - USER_DEBUG_REGISTER) / 8, DEBUG_REGISTERS);
}

long trace_user_peek(int tid, uint64_t offset, uint64_t user_word)
{
    struct user_registers registers;
    uint64_t word = 0;
    if (offset % 8 != 0 || offset >= USER_BYTES) {
        return -EIO;
    }
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    if (trace != NULL && offset / 8 < USER_REGISTERS) {
        user_registers_fill(&registers, trace);
        word = registers.word[offset / 8];
    } else if (trace != NULL) {
        word = trace_debug_peek(trace, debug_number(offset));
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : put_user_u64(user_word, word);
}

long trace_user_poke(int tid, uint64_t offset, uint64_t word)
{
    if (offset % 8 != 0 || offset >= USER_BYTES) {
        return -EIO;
    }
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    long result = -EIO;
    if (trace == NULL) {
        result = -ESRCH;
    } else if (offset / 8 < USER_REGISTERS) {
        struct user_registers registers;
        user_registers_fill(&registers, trace);
        registers.word[offset / 8] = word;
        result = user_registers_load(trace, &registers);
    } else if (debug_number(offset) < DEBUG_REGISTERS) {
        result = trace_debug_poke(trace, debug_number(offset), word);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

long trace_arch_prctl(int tid, uint64_t argument, uint64_t option)
{
    bool fs = option == ARCH_GET_FS || option == ARCH_SET_FS;
    bool set = option == ARCH_SET_FS || option == ARCH_SET_GS;
    if (option < ARCH_SET_GS || option > ARCH_GET_GS) {
        return -EINVAL;
    }
    if (set && argument >= APPLICATION_END) {
        return -EPERM;
    }
    mutex_lock(&tasks_lock);
    struct trace *trace = trace_stopped(tid);
    uint64_t base = 0;
    if (trace != NULL) {
        uint64_t *place = fs ? &trace->fs_base : &trace->gs_base;
        *place = set ? argument : *place;
        base = *place;
    }
    mutex_unlock(&tasks_lock);
    return trace == NULL ? -ESRCH : set ? 0 : put_user_u64(argument, base);
}

/* --- the call at whose entry or exit it is -----------------------------------------------------
 */

struct user_call_info { /* struct ptrace_syscall_info */
    uint8_t kind;       /* 0 none, 1 entry, 2 exit */
    uint8_t pad[3];
    uint32_t architecture;
    uint64_t instruction;
    uint64_t stack;
    union {
        struct {
            uint64_t number;
            uint64_t argument[6];
        } entry;
        struct {
            int64_t result;
            uint8_t is_error;
        } exit;
    } u;
};

/* The bytes that matter. */
static uint64_t call_info_fill(struct user_call_info *out, const struct trace *trace,
                               const struct user_registers *registers)
{
    const uint64_t *word = registers->word;
    *out = (struct user_call_info){.architecture = ARCHITECTURE_X86_64,
                                   .instruction = word[USER_RIP],
                                   .stack = word[USER_RSP]};
    bool at_call = trace->has_info && trace->info.code == CALL_STOP_CODE;
    if (at_call && trace->message == TRACE_MESSAGE_ENTRY) {
        const uint64_t argument[6] = {word[USER_RDI], word[USER_RSI], word[USER_RDX],
                                      word[USER_R10], word[USER_R8],  word[USER_R9]};
        out->kind = 1;
        out->u.entry.number = word[USER_ORIG_RAX];
        for (int i = 0; i < 6; i++) {
            out->u.entry.argument[i] = argument[i];
        }
        return offsetof(struct user_call_info, u) + sizeof(out->u.entry);
    }
    if (at_call && trace->message == TRACE_MESSAGE_EXIT) {
        out->kind = 2;
        out->u.exit.result = (int64_t)word[USER_RAX];
        out->u.exit.is_error = word[USER_RAX] >= (uint64_t)-4095;
        return offsetof(struct user_call_info, u.exit.is_error) + 1;
    }
    return offsetof(struct user_call_info, u);
}

long trace_call_info(int tid, uint64_t user_info, uint64_t size_bytes)
{
    struct user_call_info info;
    struct user_registers registers;
    uint64_t used = 0;
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    if (trace != NULL) {
        user_registers_fill(&registers, trace);
        used = call_info_fill(&info, trace, &registers);
    }
    mutex_unlock(&tasks_lock);
    if (trace == NULL) {
        return -ESRCH;
    }
    return copy_to_user(user_info, &info, MIN(used, size_bytes)) != 0 ? -EFAULT : (long)used;
}
