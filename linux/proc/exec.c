/*
 * execve: a new mm from an ELF file (System V ABI, x86-64 supplement), its interpreter if it names
 * one, scripts by #!, the initial stack, and the point of no return. The old mm is untouched until
 * the new one is complete.
 */
#include "linux/proc/exec.h"

#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/futex.h"
#include "linux/event/process_timers.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/user_path.h"
#include "linux/mm/mm.h"
#include "linux/proc/exit.h"
#include "linux/proc/fpu.h"
#include "linux/proc/limit.h"
#include "linux/proc/capability.h"
#include "linux/proc/program.h"
#include "linux/proc/ptrace.h"
#include "linux/vdso/vdso.h"

#define STRING_MAX       131072u  /* bytes of one argument or variable, with its NUL */
#define STRINGS_MAX      1048576u /* bytes of all arguments, and of all variables */
#define STRING_COUNT_MAX 131072u
#define STACK_TOP        (APPLICATION_END - 4 * PAGE_SIZE) /* above it: the vDSO */
#define STACK_BYTES_MIN  (128ull << 10)
#define STACK_BYTES_MAX  (1ull << 30) /* there are 4 GiB below its top */
#define SCRIPT_DEPTH     4

#define AT_PHDR         3
#define AT_PHENT        4
#define AT_PHNUM        5
#define AT_PAGESZ       6
#define AT_BASE         7
#define AT_FLAGS        8
#define AT_ENTRY        9
#define AT_UID          11
#define AT_EUID         12
#define AT_GID          13
#define AT_EGID         14
#define AT_PLATFORM     15
#define AT_HWCAP        16
#define AT_CLKTCK       17
#define AT_SECURE       23
#define AT_RANDOM       25
#define AT_EXECFN       31
#define AT_SYSINFO_EHDR 33

/* --- strings --------------------------------------------------------------------------------- */

void exec_strings_free(struct exec_strings *strings)
{
    heap_free(strings->bytes);
    strings->bytes = NULL;
}

bool exec_strings_init(struct exec_strings *strings)
{
    *strings = (struct exec_strings){.capacity = 1024};
    strings->bytes = heap_alloc(strings->capacity);
    return strings->bytes != NULL;
}

/* Make room for so many bytes more. */
static long strings_room(struct exec_strings *strings, uint32_t bytes)
{
    uint32_t capacity = strings->capacity;
    while (strings->used + bytes > capacity) {
        capacity *= 2;
    }
    if (capacity > STRINGS_MAX) {
        return -E2BIG;
    }
    if (capacity == strings->capacity) {
        return 0;
    }
    char *larger = heap_alloc(capacity);
    if (larger == NULL) {
        return -ENOMEM;
    }
    memcpy(larger, strings->bytes, strings->used);
    heap_free(strings->bytes);
    strings->bytes = larger;
    strings->capacity = capacity;
    return 0;
}

long exec_strings_add(struct exec_strings *strings, const char *text, size_t length)
{
    if (length >= STRINGS_MAX || strings->count >= STRING_COUNT_MAX) {
        return -E2BIG;
    }
    long result = strings_room(strings, (uint32_t)length + 1);
    if (result == 0) {
        memcpy(strings->bytes + strings->used, text, length);
        strings->bytes[strings->used + length] = '\0';
        strings->used += (uint32_t)length + 1;
        strings->count++;
    }
    return result;
}

/* The strings of a user's argv or envp. */
static long strings_from_user(struct exec_strings *strings, uint64_t user_pointers)
{
    for (uint64_t i = 0; user_pointers != 0; i++) {
        uint64_t pointer;
        if (copy_from_user(&pointer, user_pointers + i * 8, sizeof(pointer)) != 0) {
            return -EFAULT;
        }
        if (pointer == 0) {
            break;
        }
        if (strings->count >= STRING_COUNT_MAX) {
            return -E2BIG;
        }
        for (;;) { /* straight into the buffer, which grows until the string fits */
            uint32_t room = MIN(strings->capacity - strings->used, STRING_MAX);
            long length = copy_string_from_user(strings->bytes + strings->used, pointer, room);
            if (length >= 0) {
                strings->used += (uint32_t)length + 1;
                break;
            }
            if (length != -ENAMETOOLONG) {
                return length;
            }
            long result = room == STRING_MAX ? -E2BIG : strings_room(strings, room + 1);
            if (result != 0) {
                return result;
            }
        }
        strings->count++;
    }
    return 0;
}

/* --- the stack ------------------------------------------------------------------------------- */

#define AUXV_MAX 24

struct auxv {
    uint64_t word[AUXV_MAX * 2];
    uint32_t count;
};

static void auxv_add(struct auxv *auxv, uint64_t type, uint64_t value)
{
    auxv->word[auxv->count * 2] = type;
    auxv->word[auxv->count * 2 + 1] = value;
    auxv->count++;
}

static void auxv_fill(struct auxv *auxv, const struct task *task, const struct program *program,
                      uint64_t random, uint64_t platform, uint64_t name)
{
    const struct credentials *credentials = task->credentials;
    auxv->count = 0;
    if (program->vdso != 0) {
        auxv_add(auxv, AT_SYSINFO_EHDR, program->vdso);
    }
    auxv_add(auxv, AT_HWCAP, 0x078bfbff);
    auxv_add(auxv, AT_PAGESZ, PAGE_SIZE);
    auxv_add(auxv, AT_CLKTCK, 100);
    auxv_add(auxv, AT_PHDR, program->headers);
    auxv_add(auxv, AT_PHENT, 56);
    auxv_add(auxv, AT_PHNUM, program->header_count);
    auxv_add(auxv, AT_BASE, program->interpreter_base);
    auxv_add(auxv, AT_FLAGS, 0);
    auxv_add(auxv, AT_ENTRY, program->entry);
    auxv_add(auxv, AT_UID, credentials->uid);
    auxv_add(auxv, AT_EUID, credentials->euid);
    auxv_add(auxv, AT_GID, credentials->gid);
    auxv_add(auxv, AT_EGID, credentials->egid);
    auxv_add(auxv, AT_SECURE, program->secure);
    auxv_add(auxv, AT_RANDOM, random);
    auxv_add(auxv, AT_EXECFN, name);
    auxv_add(auxv, AT_PLATFORM, platform);
    auxv_add(auxv, 0, 0);
}

/* Pointers to the `count` strings that begin at `user`, which is where `bytes` were copied. */
static long pointers_push(uint64_t place, uint64_t user, const char *bytes, uint32_t count)
{
    uint64_t batch[64];
    uint32_t filled = 0;
    for (uint32_t i = 0; i <= count; i++) {
        batch[filled++] = i < count ? user : 0;
        if (i < count) {
            size_t length = strlen(bytes) + 1;
            user += length;
            bytes += length;
        }
        if (filled == ARRAY_LENGTH(batch) || i == count) {
            if (copy_to_user(place, batch, filled * 8) != 0) {
                return -EFAULT;
            }
            place += filled * 8;
            filled = 0;
        }
    }
    return 0;
}

/* In the new space. The stack pointer, or -errno. */
static long stack_build(const struct task *task, struct mm *mm, const struct program *program,
                        const struct exec_strings *arguments,
                        const struct exec_strings *environment, const char *name)
{
    uint64_t random[2];
    random_words(random, ARRAY_LENGTH(random));
    uint64_t top = STACK_TOP - 16;
    uint64_t name_place = top - (strlen(name) + 1);
    uint64_t platform = name_place - 7;
    uint64_t random_place = ALIGN_DOWN(platform - 16, 16);
    uint64_t environment_place = random_place - environment->used;
    uint64_t argument_place = environment_place - arguments->used;
    struct auxv auxv;
    auxv_fill(&auxv, task, program, random_place, platform, name_place);
    uint64_t words = 1 + arguments->count + 1 + environment->count + 1 + (uint64_t)auxv.count * 2;
    uint64_t rsp = ALIGN_DOWN(argument_place - words * 8, 16);
    uint64_t argument_count = arguments->count;
    uint64_t pointers = rsp + 8;
    uint64_t environment_pointers = pointers + (arguments->count + 1ull) * 8;
    uint64_t auxv_place = environment_pointers + (environment->count + 1ull) * 8;
    mm->argument_start = argument_place;
    mm->argument_end = environment_place;
    mm->environment_start = environment_place;
    mm->environment_end = random_place;
    mm->auxv_start = auxv_place;
    mm->auxv_end = auxv_place + auxv.count * 16ull;
    bool good = copy_to_user(name_place, name, strlen(name) + 1) == 0 &&
                copy_to_user(platform, "x86_64", 7) == 0 &&
                copy_to_user(random_place, random, sizeof(random)) == 0 &&
                copy_to_user(environment_place, environment->bytes, environment->used) == 0 &&
                copy_to_user(argument_place, arguments->bytes, arguments->used) == 0 &&
                copy_to_user(rsp, &argument_count, 8) == 0 &&
                pointers_push(pointers, argument_place, arguments->bytes, arguments->count) == 0 &&
                pointers_push(environment_pointers, environment_place, environment->bytes,
                              environment->count) == 0 &&
                copy_to_user(auxv_place, auxv.word, auxv.count * 16ull) == 0;
    return good ? (long)rsp : -EFAULT;
}

/* --- the switch ------------------------------------------------------------------------------ */

static void name_set(struct task *task, const char *path, const char *executable)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = MIN(strlen(name), NAME_BYTES - 1);
    char comm[NAME_BYTES] = {0};
    memcpy(comm, name, length);
    mutex_lock(&tasks_lock);
    task_name_set(task, comm);
    memcpy(task->group->exe, executable, EXE_BYTES);
    mutex_unlock(&tasks_lock);
}

/* The credentials that the program runs with: most run with their caller's. With a reference. */
static struct credentials *credentials_new(const struct task *task, const struct program *program)
{
    struct credentials *old = task->credentials;
    /* A file's authority changes no groups. */
    bool same =
        memcmp(&program->credentials.uid, &old->uid,
               offsetof(struct credentials, group_count) - offsetof(struct credentials, uid)) == 0;
    if (!same) {
        return credentials_copy(&program->credentials);
    }
    __atomic_fetch_add(&old->references, 1, __ATOMIC_RELAXED);
    return old;
}

/* Who traces the task without the authority to trace any takes away what the program's file gives
 * it. Under tasks_lock, so that nobody begins to trace it between this and the change. */
static void authority_limit(struct task *task, struct program *program,
                            struct credentials *credentials)
{
    if (credentials == task->credentials || !trace_limits_authority(task)) {
        return;
    }
    uint32_t references = credentials->references;
    *credentials = *task->credentials;
    credentials->references = references;
    /* It succeeded before, and what it refuses does not depend on who traces. */
    (void)capabilities_execute(credentials, &program->authority, true, &program->secure);
}

/* Who looks at the task meanwhile finds the old program and its user, or the new ones. Takes over
 * the reference to the credentials. */
static void program_renew(struct task *task, struct mm *mm, struct credentials *credentials,
                          struct program *program)
{
    struct credentials *old = task->credentials;
    mutex_lock(&tasks_lock);
    authority_limit(task, program, credentials);
    bool gains = (credentials->permitted & ~old->permitted) != 0;
    mm->undumpable = gains || credentials->euid != credentials->uid ||
                     credentials->egid != credentials->gid || program->unreadable;
    task->mm = mm;
    task->credentials = credentials;
    task->group->executions++;
    /* Signals that were chosen before, of whom they go to or come from, mean nothing any more. */
    task->group->exit_signal = SIGCHLD;
    for (struct thread_group *child = task->group->children; child != NULL;
         child = child->next_sibling) {
        child->parent_has_executed = true;
    }
    if (program->secure) {
        task->group->parent_death_signal = 0;
    }
    mutex_unlock(&tasks_lock);
    credentials_put(old);
}

/* Everything that belonged to the old program goes; from here on there is no way back. False: no
 * memory. */
static bool task_renew(struct task *task, struct mm *mm, struct credentials *credentials,
                       struct program *program)
{
    struct mm *old = task->mm;
    robust_list_release(task);
    posix_timers_delete(task->group);
    program_renew(task, mm, credentials, program);
    (void)kernel_thread_set_space(mm->space);
    vfork_release(task);
    if (old != NULL) {
        mm_put(old);
    }
    if (__atomic_load_n(&task->handlers->references, __ATOMIC_ACQUIRE) != 1) {
        struct signal_handlers *own = signal_handlers_copy(task->handlers);
        if (own == NULL) {
            return false;
        }
        struct signal_handlers *shared = task->handlers;
        mutex_lock(&tasks_lock);
        task->handlers = own;
        mutex_unlock(&tasks_lock);
        signal_handlers_put(shared);
    }
    mutex_lock(&tasks_lock);
    signal_handlers_reset(task->handlers);
    mutex_unlock(&tasks_lock);
    task->altstack_size = 0;
    task->altstack_base = 0;
    task->clear_tid = 0;
    task->group->has_executed = true;
    descriptors_close_on_exec(task->files);
    return true;
}

static bool tails_clear(const struct program *program)
{
    for (uint32_t i = 0; i < program->tail_count; i++) {
        if (clear_user(program->tail[i].address, program->tail[i].length_bytes) != 0) {
            return false;
        }
    }
    return true;
}

static void registers_renew(struct task *task, uint64_t entry, uint64_t rsp)
{
    fpu_renew();
    __asm__ volatile("wrfsbase %0" : : "r"(0ull));
    memset(task->registers, 0, sizeof(*task->registers));
    task->frame->application =
        (struct trap_words){.rip = entry, .rsp = rsp, .rflags = 0x202, .cause = TRAP_INTERRUPT};
    task->registers_replaced = true;
}

/* Load `file`, or the interpreter that its first line names; arguments change with it. */
static long program_open(struct file *file, struct mm *mm, struct exec_strings *arguments,
                         const char *name, struct program *program, uint32_t depth)
{
    struct program_begin begin;
    long result = program_begin_read(file, &begin);
    if (result != 0) {
        return result;
    }
    program->unreadable |= inode_permission(file->path.inode, 4) != 0;
    if (begin.length_bytes < 2 || begin.bytes[0] != '#' || begin.bytes[1] != '!') {
        long length = file_path_text(file, program->path, sizeof(program->path) - 1);
        program->path[MAX(length, 0)] = '\0';
        program->credentials = *task_current()->credentials;
        program_authority_read(&file->path, &program->authority);
        long allowed = capabilities_execute(&program->credentials, &program->authority, false,
                                            &program->secure);
        return allowed != 0 ? allowed : program_load(file, &begin, mm, program);
    }
    char *line = (char *)begin.bytes;
    line[MIN(begin.length_bytes, SCRIPT_LINE - 1)] = '\0';
    char *interpreter;
    char *argument;
    if (depth == SCRIPT_DEPTH || !script_parse(line, &interpreter, &argument)) {
        return depth == SCRIPT_DEPTH ? -ELOOP : -ENOEXEC;
    }
    /* argv: interpreter [argument] script old-argv[1..] */
    struct exec_strings changed;
    if (!exec_strings_init(&changed)) {
        return -ENOMEM;
    }
    result = exec_strings_add(&changed, interpreter, strlen(interpreter));
    if (result == 0 && argument != NULL) {
        result = exec_strings_add(&changed, argument, strlen(argument));
    }
    if (result == 0) {
        result = exec_strings_add(&changed, name, strlen(name));
    }
    const char *next = arguments->bytes;
    for (uint32_t i = 0; i < arguments->count && result == 0; i++) {
        size_t bytes = strlen(next);
        if (i > 0) {
            result = exec_strings_add(&changed, next, bytes);
        }
        next += bytes + 1;
    }
    struct file *interpreter_file = NULL;
    if (result == 0 && *interpreter == '\0') {
        result = -EACCES; /* what Linux finds is the directory */
    }
    if (result == 0) {
        result = exec_file_open(interpreter, &interpreter_file);
    }
    if (result != 0) {
        exec_strings_free(&changed);
        return result;
    }
    exec_strings_free(arguments);
    *arguments = changed;
    result = program_open(interpreter_file, mm, arguments, interpreter, program, depth + 1);
    file_put(interpreter_file);
    return result;
}

static long file_open_at(int directory_fd, const char *path, uint32_t flags, struct file **out)
{
    struct file *file;
    long result = path_open_at(directory_fd, path, OPEN_EXECUTE | flags, 0, &file);
    if (result != 0) {
        return result;
    }
    result = file_may_execute(file);
    if (result == 0) {
        result = file_claim_execute(file);
    }
    if (result != 0) {
        file_put(file);
        return result;
    }
    *out = file;
    return 0;
}

long exec_file_open(const char *path, struct file **out)
{
    return file_open_at(AT_FDCWD, path, 0, out);
}

/* All that it may become: what is not touched costs nothing. */
static uint64_t stack_size(void)
{
    uint64_t limit = ALIGN_DOWN(limit_now(RLIMIT_STACK), PAGE_SIZE);
    return MIN(MAX(limit, STACK_BYTES_MIN), STACK_BYTES_MAX);
}

struct sharing {
    const struct task *self;
    bool files;
    bool fs;
};

static void sharing_visit(struct thread_group *group, void *context)
{
    struct sharing *sharing = context;
    for (const struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        if (task != sharing->self) {
            sharing->files |= task->files == sharing->self->files;
            sharing->fs |= task->fs == sharing->self->fs;
        }
    }
}

/* What other processes share with the task. References alone do not tell: who looks into /proc
 * holds some for a moment. */
static struct sharing sharing_find(const struct task *task)
{
    struct sharing sharing = {task, false, false};
    if (file_table_is_sole(task->files) &&
        __atomic_load_n(&task->fs->references, __ATOMIC_ACQUIRE) == 1) {
        return sharing;
    }
    mutex_lock(&tasks_lock);
    task_for_each_group(sharing_visit, &sharing);
    mutex_unlock(&tasks_lock);
    return sharing;
}

/*
 * The program's own descriptors and credentials. Descriptors that other processes still share they
 * could change under it; while they share its root, it gains nothing from its file
 * (LSM_UNSAFE_SHARE of Linux). The group is the task's alone: nobody comes to share them.
 */
static long part_from_others(struct task *task, struct program *program, struct credentials **out)
{
    struct sharing sharing = sharing_find(task);
    long result = sharing.files ? file_table_unshare() : 0;
    if (result == 0 && sharing.fs) {
        program->credentials = *task->credentials;
        result = capabilities_execute(&program->credentials, &program->authority, true,
                                      &program->secure);
    }
    if (result != 0) {
        return result;
    }
    *out = credentials_new(task, program);
    return *out == NULL ? -ENOMEM : 0;
}

/* `path` is what the program is told of its name. Puts the file. */
static long file_execute(struct task *task, struct file *file, const char *path,
                         struct exec_strings *arguments, struct exec_strings *environment)
{
    struct mm *mm = mm_new();
    int old_tid = task->tid;
    if (mm == NULL) {
        file_put(file);
        return -ENOMEM;
    }
    struct program program = {0};
    struct mm_batch batch;
    mm_batch_begin(mm, &batch);
    long result = program_open(file, mm, arguments, path, &program, 0);
    file_put(file);
    if (program.is_unmappable && task->mm != NULL) {
        group_doom(task, SIGSEGV); /* Linux finds out when it cannot go back any more */
    }
    if (result == 0) {
        uint64_t stack_bytes = stack_size();
        result = mm_map(mm, STACK_TOP - stack_bytes, stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, "[stack]");
        result = result > 0 ? mm_batch_end(mm) : result;
    }
    struct credentials *credentials = NULL;
    if (result == 0) {
        program.vdso = vdso_map(mm);
        result = task->mm == NULL ? 0 : group_become_single(task);
    }
    if (result == 0) {
        result = part_from_others(task, &program, &credentials);
    }
    if (result != 0) {
        mm_put(mm);
        return result;
    }
    bool good = task_renew(task, mm, credentials, &program) && tails_clear(&program);
    long rsp = good ? stack_build(task, mm, &program, arguments, environment, path) : -EFAULT;
    if (rsp < 0) {
        group_doom(task, SIGKILL); /* the caller frees what it holds before */
        return rsp;
    }
    name_set(task, path, program.path);
    registers_renew(task, program.start, (uint64_t)rsp);
    trace_exec(task, old_tid);
    return 0;
}

long exec_program(struct task *task, const char *path, struct exec_strings *arguments,
                  struct exec_strings *environment)
{
    struct file *file;
    long result = exec_file_open(path, &file);
    return result != 0 ? result : file_execute(task, file, path, arguments, environment);
}

/*
 * The file of execveat. What is found from a descriptor is called /dev/fd/N/PATH; that name takes
 * the place of `path`, which has PATH_MAX bytes.
 */
static long user_file_open(int directory_fd, char *path, uint64_t at_flags, struct file **out)
{
    uint32_t flags = at_flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0;
    if (path[0] == '/' || (directory_fd == AT_FDCWD && path[0] != '\0')) {
        return file_open_at(AT_FDCWD, path, flags, out);
    }
    if (path[0] == '\0' && !(at_flags & AT_EMPTY_PATH)) {
        return -ENOENT;
    }
    long result;
    size_t length = strlen(path);
    char name[32];
    size_t name_length = format_text(name, sizeof(name), "/proc/self/fd/%d", directory_fd);
    if (length == 0 && directory_fd == AT_FDCWD) {
        return -EACCES; /* a directory */
    }
    if (length == 0) {
        struct file *opened = descriptor_get(directory_fd);
        if (opened == NULL) {
            return -EBADF;
        }
        file_put(opened);
        result = file_open_at(AT_FDCWD, name, 0, out);
    } else {
        result = file_open_at(directory_fd, path, flags, out);
    }
    name_length =
        format_text(name, sizeof(name), "/dev/fd/%d%s", directory_fd, length == 0 ? "" : "/");
    if (result == 0 && name_length + length + 1 > PATH_MAX) {
        file_put(*out);
        return -ENAMETOOLONG;
    }
    if (result == 0) {
        memmove(path + name_length, path, length + 1);
        memcpy(path, name, name_length);
    }
    return result;
}

long linux_execveat(uint64_t directory_fd, uint64_t user_path, uint64_t user_arguments,
                    uint64_t user_environment, uint64_t at_flags, uint64_t f)
{
    (void)f;
    struct task *task = task_current();
    if (at_flags & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) {
        return -EINVAL;
    }
    char *path = heap_alloc(PATH_MAX);
    struct exec_strings arguments = {.bytes = NULL};
    struct exec_strings environment = {.bytes = NULL};
    struct file *file = NULL;
    if (path == NULL || !exec_strings_init(&arguments) || !exec_strings_init(&environment)) {
        exec_strings_free(&arguments);
        heap_free(path);
        return -ENOMEM;
    }
    long result = user_path_copy(path, user_path);
    if (result >= 0 && task->is_over_limit) {
        task->is_over_limit = limit_tasks_exceeded(0);
        result = task->is_over_limit ? -EAGAIN : result;
    }
    if (result >= 0) {
        result = user_file_open((int)directory_fd, path, at_flags, &file);
    }
    if (result >= 0) {
        result = strings_from_user(&arguments, user_arguments);
    }
    if (result >= 0 && arguments.count == 0) {
        result = exec_strings_add(&arguments, "", 0);
    }
    if (result >= 0) {
        result = strings_from_user(&environment, user_environment);
    }
    if (result >= 0) {
        result = file_execute(task, file, path, &arguments, &environment);
    } else if (file != NULL) {
        file_put(file);
    }
    exec_strings_free(&arguments);
    exec_strings_free(&environment);
    heap_free(path);
    return result;
}

long linux_execve(uint64_t user_path, uint64_t user_arguments, uint64_t user_environment,
                  uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return linux_execveat((uint64_t)AT_FDCWD, user_path, user_arguments, user_environment, 0, 0);
}
