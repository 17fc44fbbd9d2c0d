/*
 * Traps from user mode: kernel calls, page faults, exceptions, interrupts. What the kernel cannot
 * resolve goes to the thread's own domain: from application mode to the trap entry, from
 * personality mode to the fault entry, and a fault inside that ends the domain.
 */
#include "kernel/core/traps.h"

#include "kernel/core/scheduler.h"
#include "kernel/core/start_init.h"
#include "kernel/core/trace.h"
#include "kernel/object/domain.h"
#include "kernel/object/irq.h"
#include "kernel/object/space.h"
#include "kernel/x86_64/apic.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/layout.h"
#include "kernel/x86_64/stacks.h"

#define VECTOR_DEBUG              1
#define VECTOR_NMI                2
#define VECTOR_DOUBLE_FAULT       8
#define VECTOR_GENERAL_PROTECTION 13
#define VECTOR_PAGE_FAULT         14

#define FAULT_WRITE 2
#define FAULT_FETCH 16

/* --- calls ----------------------------------------------------------------------------------- */

struct call_entry {
    call_handler handler;
    uint16_t types; /* of the first argument, enum object_types; TYPE_NONE: it is no capability */
    uint16_t other_types; /* of another argument; TYPE_NONE: there is none */
    uint8_t rights;
    uint8_t other_rights;
    uint8_t other_argument;
    bool other_or_0;
    bool makes; /* an object, for the slot in the second argument */
};

#define NO_OTHER
#define OTHER(argument, type, rights)                                                              \
    .other_argument = (argument), .other_types = TYPE_##type, .other_rights = (rights),
#define OTHER_OR_0(argument, type, rights) .other_or_0 = true, OTHER(argument, type, rights)

#define CALLS_BOUND 64
_Static_assert(KERNEL_CALLS <= CALLS_BOUND, "every call's number is below the bound");

#define RIGHT_0 0
#define KERNEL_CALL(number, name, arguments, results, type_, rights_, other, makes_, shape,        \
                    meaning)                                                                       \
    [number] = {.handler = call_##name,                                                            \
                .types = TYPE_##type_,                                                             \
                .rights = RIGHT_##rights_,                                                         \
                .makes = OBJECT_##makes_ != OBJECT_NONE,                                           \
                other},
static const struct call_entry calls[CALLS_BOUND] = {
#include "abi/syscalls.def"
};
#undef KERNEL_CALL

/* With another capability, or a new one, or both. */
__attribute__((noinline)) static status_t call_with_more(const struct call_entry *entry,
                                                         struct call *call)
{
    struct domain *domain = call->thread->domain;
    uint64_t other_slot = call->argument[entry->other_argument];
    uint64_t made_slot = call->argument[1];
    status_t status = STATUS_OK;
    call->other = NULL;
    call->made = NULL;
    call->made_rights = RIGHTS_ALL;
    if (entry->other_types != TYPE_NONE && !(entry->other_or_0 && other_slot == 0)) {
        status = domain_find(domain, other_slot, entry->other_types, entry->other_rights,
                             &call->other, &call->other_rights);
    }
    if (status == STATUS_OK && entry->makes) {
        status = domain_reserve(domain, made_slot);
    }
    if (status == STATUS_OK) {
        status = entry->handler(call);
    }
    if (status == STATUS_OK && entry->makes) {
        /* It may be gone already, with what it hangs from: such a slot counts as empty. */
        __atomic_store_n(&call->made->building, false, __ATOMIC_RELEASE);
        (void)domain_put(domain, made_slot, object_handle(call->made, call->made_rights));
    } else if (entry->makes && call->made != NULL) {
        while (!object_destroy_step(call->made)) { /* it was made in part */
        }
    }
    return status;
}

void kernel_call(struct thread *thread)
{
    struct registers *registers = &thread->registers;
    uint64_t number = registers->rax;
    struct call call; /* field by field: what the call does not use is not cleared */
    call.thread = thread;
    call.argument[0] = call.result[0] = registers->rdi;
    call.argument[1] = call.result[1] = registers->rsi;
    call.argument[2] = call.result[2] = registers->rdx;
    call.argument[3] = registers->r10;
    call.argument[4] = registers->r8;
    call.argument[5] = registers->r9;
    call.restarted = thread->restarted;
    thread->restarted = 0;
    status_t status = STATUS_NOT_SUPPORTED;
    if (number < KERNEL_CALLS) {
        const struct call_entry *entry = &calls[index_bound(number, CALLS_BOUND)];
        status = entry->types == TYPE_NONE
                     ? STATUS_OK
                     : domain_find(thread->domain, registers->rdi, entry->types, entry->rights,
                                   &call.object, &call.rights);
        if (status == STATUS_OK) {
            bool more = entry->makes || entry->other_types != TYPE_NONE;
            status = more ? call_with_more(entry, &call) : entry->handler(&call);
        }
    }
    if (status == CALL_RESTART) {
        registers->rip -= 2; /* the syscall instruction again, with the same registers */
        thread->restarted = 1;
    } else if (status < CALL_RESTART) {
        registers->rax = status;
        registers->rdi = call.result[0];
        registers->rsi = call.result[1];
        registers->rdx = call.result[2];
    }
    scheduler_return(thread);
}

/* --- forwarding ------------------------------------------------------------------------------ */

/* What a trap leaves in the frame. */
static struct trap_words words_of(const struct registers *registers, enum trap_cause cause,
                                  uint64_t address)
{
    return (struct trap_words){
        .rip = registers->rip,
        .rsp = registers->rsp,
        .rflags = registers->rflags,
        .rax = registers->rax,
        .rcx = registers->rcx,
        .r11 = registers->r11,
        .cause = cause,
        .address = address,
        .error = registers->error,
        .vector = registers->vector,
    };
}

void trap_forward(struct thread *thread, enum trap_cause cause, uint64_t address)
{
    thread->frame->application = words_of(&thread->registers, cause, address);
    scheduler_count(thread);
    thread_enter(thread, thread->trap_entry);
}

/* To the trap entry; or to the fault entry, on the same stack, below what the code there uses. */
static void fault_unresolved(struct thread *thread, enum trap_cause cause, uint64_t address)
{
    if (thread->mode == MODE_APPLICATION) {
        trap_forward(thread, cause, address);
        return;
    }
    struct registers *registers = &thread->registers;
    struct domain *domain = thread->domain;
    struct trap_words words = words_of(registers, cause, address);
    if (domain->fault_entry == 0 || thread->in_fault) {
        /* A second fault tells less than the one whose handler failed. */
        struct domain_report report = {
            .fault = thread->in_fault ? thread->frame->personality : words,
            .rbp = registers->rbp,
        };
        domain_end(domain, &report);
        if (domain == init_domain) {
            panic_trap(registers, "init ended by a fault");
        }
        return;
    }
    thread->frame->personality = words;
    thread->in_fault = 1;
    registers->rip = domain->fault_entry;
    registers->rsp = ALIGN_DOWN(registers->rsp - 128, 16);
    registers->rflags = USER_RFLAGS;
}

void syscall_traced(struct thread *thread)
{
    const struct registers *registers = &thread->registers;
    bool application = thread->mode == MODE_APPLICATION;
    trace(application ? TRACE_SYSTEM_CALL : TRACE_CALL, (uint32_t)registers->rax, registers->rdi,
          registers->rsi);
    if (!application) {
        kernel_call(thread);
    }
    trap_forward(thread, TRAP_SYSCALL, 0);
    scheduler_return(thread);
}

static void page_fault(struct thread *thread)
{
    uint64_t address = cr2_read();
    uint64_t error = thread->registers.error;
    uint32_t access = error & FAULT_FETCH   ? RIGHT_EXECUTE
                      : error & FAULT_WRITE ? RIGHT_WRITE
                                            : RIGHT_READ;
    status_t status = STATUS_NOT_FOUND;
    bool personality = thread->mode == MODE_PERSONALITY;
    if (address - WINDOW_BASE < WINDOW_SIZE && (personality || thread->domain->open)) {
        status = region_fault(&thread->domain->window, address, access);
    } else if (thread->space != NULL && address < APPLICATION_END &&
               (!personality || access != RIGHT_EXECUTE || thread->domain->open)) {
        status = region_fault(&thread->space->map, address, access);
    }
    trace(TRACE_FAULT, status, address, thread->registers.rip);
    if (status != STATUS_OK && status != CALL_RESTART) { /* it faults again until it is resolved */
        thread->registers.error = (error & 0xffff) | (uint64_t)status << 32;
        fault_unresolved(thread, TRAP_PAGE_FAULT, address);
    }
}

/* --- from user mode -------------------------------------------------------------------------- */

static void interrupt_handle(uint64_t vector)
{
    if (vector == VECTOR_SPURIOUS) {
        return;
    }
    apic_end_of_interrupt();
    if (vector == VECTOR_TIMER) {
        scheduler_timer();
    } else if (vector == VECTOR_KICK) {
        cpu_serve_requests();
        trace_follow();
        scheduler_kicked();
    } else {
        irq_deliver((uint32_t)vector);
    }
}

void trap_user(struct thread *thread)
{
    uint64_t vector = thread->registers.vector;
    if (vector == VECTOR_PAGE_FAULT) {
        page_fault(thread);
        scheduler_return(thread);
    }
    trace(TRACE_TRAP, (uint32_t)vector, thread->registers.rip, 0);
    if (vector >= 32) {
        interrupt_handle(vector);
    } else if (vector != VECTOR_DEBUG || !thread_debug_trap(thread)) {
        fault_unresolved(thread, TRAP_EXCEPTION, 0);
    }
    scheduler_return(thread);
}

void trap_attend(struct thread *thread)
{
    uint8_t attention = __atomic_load_n(&thread->attention, __ATOMIC_ACQUIRE);
    if (attention & (ATTENTION_DIE | ATTENTION_STOP)) {
        scheduler_bill(thread);
        spin_lock(&thread->lock);
        scheduler_detach();
        thread->state = attention & ATTENTION_DIE ? THREAD_DEAD : THREAD_STOPPED;
        spin_unlock(&thread->lock);
        return;
    }
    if (thread->mode != MODE_APPLICATION) {
        return;
    }
    uint8_t taken = attention & ATTENTION_TRAPS ? ATTENTION_TRAPS : ATTENTION_THROTTLE;
    taken &= __atomic_fetch_and(&thread->attention, (uint8_t)~taken, __ATOMIC_ACQ_REL);
    if (taken & ATTENTION_TRAPS) {
        trap_forward(thread, TRAP_INTERRUPT, taken);
    } else if (taken != 0) {
        scheduler_yield(); /* who is throttled does not come back before the refill */
    }
}

/* --- from kernel mode ------------------------------------------------------------------------ */

void trap_kernel(struct registers *registers)
{
    if (registers->vector < 32) {
        panic_trap(registers, "exception in the kernel");
    }
    /* Only the idle loop runs with interrupts on; it counted itself out of the kernel. */
    struct cpu *cpu = cpu_current();
    __atomic_fetch_add(&cpu->kernel_entries, 1, __ATOMIC_SEQ_CST);
    interrupt_handle(registers->vector);
    cpu->kernel_entries++;
}

void trap_own_stack(struct registers *registers)
{
    switch (registers->vector) {
    case VECTOR_DEBUG:
        /* A user's, which its `mov ss` held back until the next instruction was the kernel's. */
        return;
    case VECTOR_NMI:
        panic_join();
        trace(TRACE_NMI, 0, 0, 0);
        return;
    case VECTOR_DOUBLE_FAULT:
        panic_trap(registers, stacks_guard(cr2_read()) ? "kernel stack overflow" : "double fault");
    default:
        panic_trap(registers, "machine check");
    }
}

/* --- resume ---------------------------------------------------------------------------------- */

/* The words, copied from the frame once, into the registers. */
static void words_load(struct thread *thread, const struct trap_words *words)
{
    struct registers *registers = &thread->registers;
    registers->rip = words->rip;
    registers->rsp = words->rsp;
    registers->rflags = (words->rflags & ALLOWED_RFLAGS) | USER_RFLAGS;
    registers->rax = words->rax;
    registers->rcx = words->rcx;
    registers->r11 = words->r11;
    thread->sysret = 0;
}

status_t call_application_resume(struct call *call)
{
    struct thread *thread = call->thread;
    struct registers *registers = &thread->registers;
    struct trap_words words = thread->frame->application;
    words_load(thread, &words);
    scheduler_count(thread);
    thread->mode = MODE_APPLICATION;
    if (thread->space == NULL || words.rip >= APPLICATION_END) {
        /* As the CPU does with an address that cannot be: general protection. */
        registers->error = 0;
        registers->vector = VECTOR_GENERAL_PROTECTION;
        trap_forward(thread, TRAP_EXCEPTION, 0);
    }
    return CALL_DONE;
}

status_t call_fault_resume(struct call *call)
{
    struct thread *thread = call->thread;
    struct trap_words words = thread->frame->personality;
    if (!thread->in_fault) {
        return STATUS_BAD_STATE;
    }
    if (!address_canonical(words.rip)) {
        return STATUS_INVALID_ARGUMENT;
    }
    words_load(thread, &words);
    thread->in_fault = 0;
    return CALL_DONE;
}
