/*
 * The event thread, for the container's own process the first thread, reads a process's
 * specification and makes its task; all that may take long or touches files the task does itself,
 * as its first act, with root's rights until it has become the user that it is to be. A copy is
 * such a first act and nothing else. `list` holds every process that was started and has not been
 * reported as ended; an entry owns the specification and a reference to the console until then.
 */
#include "linux/core/launch.h"

#include "abi/container.h"
#include "abi/container.idl.h"
#include "lib/base/format.h"
#include "linux/core/console.h"
#include "linux/core/container.h"
#include "linux/core/copy.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/root.h"
#include "linux/core/specification.h"
#include "linux/core/users.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/proc/capability.h"
#include "linux/tty/tty.h"

#define MESSAGE_BYTES_MAX 240
#define PATH_DEFAULT      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define STREAMS           3

struct launched {
    struct launched *next;
    enum launch_kind kind;
    uint32_t process;
    int pid;
    bool runs; /* its program does, and the engine has yet to hear of it; atomic */
    struct console *console;
    struct specification specification;
    char message[MESSAGE_BYTES_MAX];
};

static struct {
    struct mutex lock;
    struct launched *first;
} list;

static struct launched *launched_find(uint32_t process)
{
    struct launched *entry = list.first;
    while (entry != NULL && entry->process != process) {
        entry = entry->next;
    }
    return entry;
}

static void launched_free(struct launched *entry)
{
    specification_free(&entry->specification);
    console_put(entry->console);
    heap_free(entry);
}

static void launched_remove(struct launched *entry)
{
    mutex_lock(&list.lock);
    struct launched **link = &list.first;
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    mutex_unlock(&list.lock);
    launched_free(entry);
}

/* --- what the engine hears ------------------------------------------------------------------- */

static status_t status_of(long result)
{
    switch (result) {
    case 0:
        return STATUS_OK;
    case -ENOENT:
    case -ENOTDIR:
        return STATUS_NOT_FOUND;
    case -EACCES:
    case -EISDIR:
    case -ENOEXEC:
    case -EPERM:
    case -ELOOP:
        return STATUS_NOT_PERMITTED;
    case -ENOMEM:
        return STATUS_NO_MEMORY;
    case -EIO:
    case -EUCLEAN:
        return STATUS_CORRUPT;
    default:
        return STATUS_INVALID_ARGUMENT;
    }
}

static const char *error_text(long result)
{
    switch (result) {
    case -ENOENT:
        return "no such file or directory";
    case -EACCES:
    case -EPERM:
        return "permission denied";
    case -EISDIR:
        return "is a directory";
    case -ENOTDIR:
        return "not a directory";
    case -ENOEXEC:
        return "exec format error";
    case -ELOOP:
        return "too many symbolic links";
    case -ENOMEM:
        return "the memory limit is too small";
    case -EIO:
        return "the image cannot be read";
    case -EUCLEAN:
        return "the image is damaged";
    case -E2BIG:
        return "too many arguments";
    default:
        return "invalid";
    }
}

static void report(uint32_t process, status_t status, int pid, const char *message)
{
    status_t ignored = container_launched(CONTAINER_SLOT_ENGINE, process, status, (uint64_t)pid,
                                          message, (uint32_t)strlen(message));
    (void)ignored;
}

/* --- in the new task ------------------------------------------------------------------------- */

static const char *environment_find(const struct exec_strings *environment, const char *name)
{
    size_t length = strlen(name);
    const char *next = environment->bytes;
    for (uint32_t i = 0; i < environment->count; i++) {
        if (strncmp(next, name, length) == 0 && next[length] == '=') {
            return next + length + 1;
        }
        next += strlen(next) + 1;
    }
    return NULL;
}

/* Execute the program, looked up in PATH when its name has no '/'. */
static long program_run(struct task *task, struct specification *specification)
{
    const char *name = specification->arguments.bytes;
    if (strchr(name, '/') != NULL) {
        return exec_program(task, name, &specification->arguments, &specification->environment);
    }
    const char *path = environment_find(&specification->environment, "PATH");
    path = path == NULL ? PATH_DEFAULT : path;
    char *candidate = heap_alloc(PATH_MAX);
    long result = candidate == NULL ? -ENOMEM : -ENOENT;
    while (candidate != NULL && path != NULL && name[0] != '\0') {
        const char *end = strchr(path, ':');
        int length = (int)(end == NULL ? strlen(path) : (size_t)(end - path));
        format_text(candidate, PATH_MAX, "%.*s/%s", length, path, name);
        long tried =
            exec_program(task, candidate, &specification->arguments, &specification->environment);
        if (tried == 0 || (tried != -ENOENT && tried != -ENOTDIR && tried != -EACCES)) {
            result = tried;
            break;
        }
        result = tried == -EACCES ? tried : result;
        path = end == NULL ? NULL : end + 1;
    }
    heap_free(candidate);
    return result;
}

static long streams_open(struct task *task, struct launched *entry)
{
    for (int stream = 0; stream < STREAMS; stream++) {
        struct file *file = console_open(entry->console, stream);
        long result = file == NULL ? -ENOMEM : file_table_put_at(task->files, stream, file);
        if (result != 0) {
            return result;
        }
    }
    struct tty *tty = console_tty(entry->console);
    if (tty != NULL) {
        tty_control(tty, task);
    }
    return 0;
}

static long directory_enter(struct task *task, const char *path)
{
    struct path found;
    long result = path_find(AT_FDCWD, path, WALK_DIRECTORY, &found);
    if (result == 0) {
        mutex_lock(&task->fs->lock);
        struct path old = task->fs->current;
        task->fs->current = found;
        mutex_unlock(&task->fs->lock);
        path_put(&old);
    }
    return result;
}

/* So that the user may open them again, as /dev/stdout. A tty is /dev/console: the first user's. */
static void streams_hand_over(struct task *task, uint32_t uid, bool first)
{
    for (int stream = 0; stream < STREAMS; stream++) {
        struct file *file = file_table_file(task->files, stream);
        if (file != NULL) {
            if (first || inode_is(file->path.inode, S_IFIFO)) {
                __atomic_store_n(&file->path.inode->uid, uid, __ATOMIC_RELAXED);
            }
            file_put(file);
        }
    }
}

static long become_user(struct task *task, struct specification *specification)
{
    char *home = NULL;
    struct credentials *credentials = credentials_copy(task->credentials);
    long result =
        credentials == NULL ? -ENOMEM : users_resolve(specification->user, credentials, &home);
    if (result != 0) {
        credentials_put(credentials);
        return result;
    }
    capabilities_users_changed(credentials, task->credentials);
    credentials_set(task, credentials);
    if (environment_find(&specification->environment, "HOME") == NULL) {
        static const char name[] = "HOME=";
        char line[PATH_MAX / 4];
        const char *value = home == NULL ? "/" : home;
        size_t length = MIN(strlen(value), sizeof(line) - sizeof(name));
        memcpy(line, name, sizeof(name) - 1);
        memcpy(line + sizeof(name) - 1, value, length);
        result = exec_strings_add(&specification->environment, line, sizeof(name) - 1 + length);
    }
    heap_free(home);
    return result;
}

/* Everything up to the program's first instruction; on failure entry->message says what. */
static long prepare_and_run(struct task *task, struct launched *entry)
{
    struct specification *specification = &entry->specification;
    const char *what = "";
    long result = entry->process == 0 ? root_furnish(specification, &what) : 0;
    if (result != 0) {
        format_text(entry->message, sizeof(entry->message), "cannot prepare %s: %s", what,
                    error_text(result));
        return result == -ENOENT ? -EINVAL : result;
    }
    result = streams_open(task, entry);
    if (result == 0) {
        result = become_user(task, specification);
        streams_hand_over(task, task->credentials->uid, entry->process == 0);
        if (result == -ENOENT) {
            format_text(entry->message, sizeof(entry->message),
                        "unable to find user %s: no matching entry in passwd file",
                        specification->user);
            return -EINVAL;
        }
    }
    if (result == 0 && specification->working_directory != NULL) {
        result = directory_enter(task, specification->working_directory);
        if (result != 0) {
            format_text(entry->message, sizeof(entry->message), "cannot enter the directory %s: %s",
                        specification->working_directory, error_text(result));
            return -EINVAL;
        }
    }
    if (result == 0) {
        result = program_run(task, specification);
    }
    if (result != 0) {
        const char *name = specification->arguments.bytes;
        bool searched = strchr(name, '/') == NULL && result == -ENOENT;
        format_text(entry->message, sizeof(entry->message), "exec: \"%.*s\": %s", 100, name,
                    searched ? "executable file not found in $PATH" : error_text(result));
    }
    return result;
}

/* The engine counts the process as never started: its end is not reported. */
_Noreturn static void launch_failed(struct task *task, struct launched *entry)
{
    task->group->is_console_main = false;
    launched_remove(entry);
    group_exit(task, 127 << 8);
}

/* All that a process that copies does. */
_Noreturn static void launch_copy(struct task *task, struct launched *entry)
{
    static const char name[NAME_BYTES] = "oak-cp";
    bool into = entry->kind == LAUNCH_COPY_IN;
    mutex_lock(&tasks_lock);
    task_name_set(task, name);
    mutex_unlock(&tasks_lock);
    struct file *file = console_open(entry->console, into ? 0 : 1);
    status_t status = STATUS_NO_MEMORY;
    if (file != NULL) {
        status =
            copy_run(file, entry->specification.path, into, entry->message, sizeof(entry->message));
        file_put(file);
    }
    report(entry->process, status, task->group->pid, entry->message);
    if (status != STATUS_OK) {
        launch_failed(task, entry);
    }
    group_exit(task, 0);
}

void container_launch(struct task *task)
{
    uint32_t process = console_process(task->group->console);
    mutex_lock(&list.lock);
    struct launched *entry = launched_find(process);
    mutex_unlock(&list.lock);
    task->launch = false;
    if (entry->kind != LAUNCH_PROGRAM) {
        launch_copy(task, entry);
    }
    long result = prepare_and_run(task, entry);
    task->registers_replaced = false;
    if (result != 0) {
        report(process, status_of(result), task->group->pid, entry->message);
        launch_failed(task, entry);
    }
    /* The event thread reports it, as soon as there is one, and frees the specification: the
     * program need not wait for that. */
    __atomic_store_n(&entry->runs, true, __ATOMIC_RELEASE);
    if (container_attended) {
        (void)kernel_signal_raise(CONTAINER_SLOT_EVENTS, EVENT_LAUNCHED);
    }
}

/* --- in the event thread, or a container's first --------------------------------------------- */

static long task_make(struct launched *entry)
{
    long result = 0;
    bool here = entry->process == 0;
    console_get(entry->console); /* the group's */
    struct task *task = task_create_first(entry->console, here, &result);
    if (task == NULL) {
        return result;
    }
    entry->pid = task->group->pid;
    task->launch = true;
    mutex_lock(&list.lock);
    entry->next = list.first;
    list.first = entry;
    mutex_unlock(&list.lock);
    struct application_registers *registers = (struct application_registers *)task->frame - 1;
    memset(registers, 0, sizeof(*registers));
    if (!here && kernel_thread_start(task->thread, SLOT_NONE, (uint64_t)(uintptr_t)thread_entry,
                                     (uint64_t)(uintptr_t)registers, 0) != STATUS_OK) {
        personality_panic("launch: the thread does not start");
    }
    return 0;
}

static long launch_prepare(struct launched *entry, uint64_t specification_bytes)
{
    const void *shared = console_specification(entry->console, specification_bytes);
    long result = shared == NULL
                      ? -ENOMEM
                      : specification_read(shared, specification_bytes, &entry->specification);
    const struct specification *specification = &entry->specification;
    if (result == 0 && (specification->path != NULL) != (entry->kind != LAUNCH_PROGRAM)) {
        result = -EINVAL;
    }
    if (result == 0 && entry->process == 0) {
        if (specification->hostname != NULL) {
            container_hostname_set(specification->hostname,
                                   (uint32_t)strlen(specification->hostname));
        }
        result = root_open(specification->read_only);
    }
    if (result == 0 && specification->terminal) {
        result = console_make_tty(entry->console);
        if (result == 0 && specification->window != 0) {
            tty_resize(console_tty(entry->console), specification->window >> 16,
                       specification->window & 0xffff);
        }
    }
    return result == 0 ? task_make(entry) : result;
}

void launch(enum launch_kind kind, uint32_t process, uint32_t channel, uint64_t specification_bytes)
{
    struct launched *entry = heap_alloc(sizeof(*entry));
    long result = entry == NULL
                      ? -ENOMEM
                      : console_new(process, channel, specification_bytes, &entry->console);
    if (result == 0) {
        entry->kind = kind;
        entry->process = process;
        result = launch_prepare(entry, specification_bytes);
    }
    if (result != 0) {
        report(process, status_of(result == -ENOENT ? -EINVAL : result), 0, error_text(result));
        if (entry != NULL) {
            launched_free(entry);
        }
    }
}

/* One that runs and was not reported yet; false: there is none. It needs its specification no more.
 */
static bool unreported_take(uint32_t *process, int *pid)
{
    bool found = false;
    mutex_lock(&list.lock);
    for (struct launched *entry = list.first; entry != NULL && !found; entry = entry->next) {
        found = __atomic_exchange_n(&entry->runs, false, __ATOMIC_ACQ_REL);
        *process = entry->process;
        *pid = entry->pid;
        if (found) {
            specification_free(&entry->specification);
        }
    }
    mutex_unlock(&list.lock);
    return found;
}

void launched_report(void)
{
    uint32_t process;
    int pid;
    while (unreported_take(&process, &pid)) {
        report(process, STATUS_OK, pid, ""); /* it may have ended meanwhile: then it is too late */
    }
}

void launched_signal(uint32_t process, int number)
{
    mutex_lock(&list.lock);
    struct launched *entry = launched_find(process);
    int pid = entry == NULL ? 0 : entry->pid;
    mutex_unlock(&list.lock);
    if (pid != 0 && number > 0 && number <= SIGNALS) {
        (void)signal_group_by_pid(pid, number);
    }
}

void launched_resize(uint32_t process, uint32_t rows, uint32_t columns)
{
    mutex_lock(&list.lock);
    struct launched *entry = launched_find(process);
    struct console *console = entry == NULL ? NULL : entry->console;
    console_get(console);
    mutex_unlock(&list.lock);
    if (console_tty(console) != NULL) {
        tty_resize(console_tty(console), rows, columns);
    }
    console_put(console);
}

/* As a shell tells it. */
static uint32_t exit_code_of(int status)
{
    int signal = status & 0x7f;
    return (uint32_t)(signal != 0 ? 128 + signal : status >> 8 & 0xff);
}

void container_ended_now(struct console *console, int status, bool out_of_memory)
{
    console_finish(console);
    status_t ignored = container_ended(CONTAINER_SLOT_ENGINE, 0, exit_code_of(status),
                                       out_of_memory || container_was_short(), MAIN_PID);
    (void)ignored;
    personality_panic("exit: the container lives on");
}

void container_process_ended(struct console *console, int status, bool out_of_memory)
{
    uint32_t process = console_process(console);
    console_finish(console);
    mutex_lock(&list.lock);
    struct launched *entry = launched_find(process);
    mutex_unlock(&list.lock);
    uint32_t pid = (uint32_t)entry->pid;
    launched_remove(entry);
    console_put(console);
    status_t ignored =
        container_ended(CONTAINER_SLOT_ENGINE, process, exit_code_of(status), out_of_memory, pid);
    (void)ignored;
}
