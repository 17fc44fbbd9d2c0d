/*
 * /proc and /sys: directories and lookups. What there is say tables of entries (proc_entry.h); what
 * is in a file, proc_content.c.
 *
 * Owns: struct proc_inode (an entry, and whose it is). Roots, and what something is mounted on, are
 * inodes that live for ever; every other is made by each lookup, with a number that follows from
 * what it shows.
 *
 * Locks: tasks_lock, taken for each question about processes, with an open file's position lock
 * held: nothing that holds tasks_lock ever takes a lock of a file.
 */
#include "linux/file/proc.h"

#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/path.h"
#include "linux/file/proc_entry.h"
#include "linux/file/proc_inode.h"
#include "linux/file/tree_fs.h"
#include "linux/proc/table.h"

#define ROOT_NUMBER   1
#define NUMBER_CURSOR 4096 /* cursors of numbered entries begin here */
#define NUMBER_DIGITS 10

static const struct inode_operations directory_operations;
static const struct inode_operations link_operations;
static const struct inode_operations path_link_operations;

static const struct proc_entry root_entry = {
    .name = "",
    .mode = S_IFDIR | 0555,
    .kind = PROC_ROOT,
};

static struct proc_inode roots[PROC_TREES] SELDOM_WRITTEN;
struct proc_inode cgroup_place SELDOM_WRITTEN;

/* --- inodes ---------------------------------------------------------------------------------- */

/* Entries lie in tables, none nearer to another than its own size. */
static uint64_t number_of(const struct proc_entry *entry, const struct proc_target *target)
{
    uint64_t which = (uint64_t)(uintptr_t)entry / sizeof(*entry) & 0xffff;
    return (uint64_t)target->tid << 40 | (uint64_t)(target->fd + 1) << 18 | 1u << 17 | which;
}

static const struct inode_operations *operations_of(const struct proc_entry *entry)
{
    switch (entry->mode & S_IFMT) {
    case S_IFDIR:
        return &directory_operations;
    case S_IFLNK:
        return entry->follow == NULL && entry->text == NULL ? &path_link_operations
                                                            : &link_operations;
    default:
        return &proc_file_operations;
    }
}

static void inode_fill(struct proc_inode *made, enum proc_tree tree, const struct proc_entry *entry,
                       const struct proc_target *target)
{
    made->entry = entry;
    made->target = *target;
    made->tree = tree;
    struct inode *inode = &made->inode;
    inode->references = 1;
    inode->mode = entry->mode;
    inode->links = (entry->mode & S_IFMT) == S_IFDIR ? 2 : 1;
    inode->number = number_of(entry, target);
    inode->access_ns = inode->modify_ns = inode->change_ns = (int64_t)clock_wall_ns();
    inode->operations = operations_of(entry);
}

static long inode_make(enum proc_tree tree, const struct proc_entry *entry,
                       const struct proc_target *target, struct inode **out)
{
    uint32_t uid = 0;
    uint32_t gid = 0;
    struct proc_target found = *target;
    if (target->pid != 0 && !proc_owner(&found, &uid, &gid)) {
        return -ENOENT;
    }
    if (entry->place != NULL) {
        inode_get(&entry->place->inode);
        *out = &entry->place->inode;
        return 0;
    }
    struct proc_inode *made = heap_alloc(sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    inode_fill(made, tree, entry, &found);
    made->inode.uid = uid;
    made->inode.gid = gid;
    *out = &made->inode;
    return 0;
}

void proc_inode_release(struct inode *inode)
{
    if (!proc_of(inode)->stays) {
        heap_free(proc_of(inode));
    }
}

/* --- numbered entries ------------------------------------------------------------------------ */

/* "0" or digits without a leading zero; -1: something else. */
static int number_parse(const char *name, uint32_t length_bytes)
{
    int64_t number = 0;
    if (length_bytes == 0 || length_bytes >= NUMBER_DIGITS ||
        (name[0] == '0' && length_bytes > 1)) {
        return -1;
    }
    for (uint32_t i = 0; i < length_bytes; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return -1;
        }
        number = number * 10 + (name[i] - '0');
    }
    return (int)number;
}

static bool thread_is_of(int tid, int pid)
{
    const struct task *task = task_find(tid);
    return task != NULL && task->group->pid == pid;
}

static bool descriptor_exists(const struct proc_target *target, int fd)
{
    struct file_table *files = proc_files(target);
    bool exists = files != NULL && file_table_next(files, fd) == fd;
    if (files != NULL) {
        file_table_put(files);
    }
    return exists;
}

/* The lowest process or thread from that number on that the directory shows; -1: none. */
static int next_task(const struct proc_inode *directory, int from)
{
    int found = -1;
    mutex_lock(&tasks_lock);
    for (int i = MAX(from, 1); i <= table_highest() && found < 0; i++) {
        bool shown = directory->entry->kind == PROC_ROOT ? group_find(i) != NULL
                                                         : thread_is_of(i, directory->target.pid);
        found = shown ? i : -1;
    }
    mutex_unlock(&tasks_lock);
    return found;
}

static int next_number(const struct proc_inode *directory, int from)
{
    if (directory->entry->kind == PROC_CPUS) {
        return from < (int)cpu_count() ? from : -1;
    }
    if (directory->entry->kind != PROC_FILES && directory->entry->kind != PROC_FILES_INFO) {
        return next_task(directory, from);
    }
    struct file_table *files = proc_files(&directory->target);
    int found = files == NULL ? -1 : file_table_next(files, from);
    if (files != NULL) {
        file_table_put(files);
    }
    return found;
}

/* What a number in that directory stands for; NULL: nothing. */
static const struct proc_entry *numbered(const struct proc_inode *directory, int number,
                                         struct proc_target *target)
{
    *target = directory->target;
    switch (directory->entry->kind) {
    case PROC_ROOT:
        return proc_find(number, target) ? &proc_process_entry : NULL;
    case PROC_TASKS:
        target->tid = number;
        return proc_alive(target) ? &proc_thread_entry : NULL;
    case PROC_FILES:
        target->fd = number;
        return descriptor_exists(target, number) ? &proc_descriptor_entry : NULL;
    case PROC_FILES_INFO:
        target->fd = number;
        return descriptor_exists(target, number) ? &proc_descriptor_info_entry : NULL;
    case PROC_CPUS:
        target->fd = number;
        return (uint32_t)number < cpu_count() ? directory->entry->cpu_entry : NULL;
    case PROC_STATIC:
        break;
    }
    return NULL;
}

/* --- directories ----------------------------------------------------------------------------- */

static const struct proc_entry *children_of(const struct proc_inode *directory, uint32_t *count)
{
    if (directory->entry->kind == PROC_ROOT) {
        *count = proc_system_entry_count;
        return proc_system_entries;
    }
    *count = directory->entry->child_count;
    return directory->entry->children;
}

/* What stands before the number in the names of numbered entries. */
static const char *number_prefix(const struct proc_inode *directory)
{
    return directory->entry->kind == PROC_CPUS ? "cpu" : "";
}

static long lookup(struct inode *inode, const char *name, uint32_t length_bytes, struct inode **out)
{
    const struct proc_inode *directory = proc_of(inode);
    uint32_t count;
    const struct proc_entry *children = children_of(directory, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (strlen(children[i].name) == length_bytes &&
            memcmp(children[i].name, name, length_bytes) == 0) {
            return inode_make(directory->tree, &children[i], &directory->target, out);
        }
    }
    struct proc_target target;
    uint32_t prefix = (uint32_t)strlen(number_prefix(directory));
    bool prefixed = length_bytes > prefix && memcmp(name, number_prefix(directory), prefix) == 0;
    int number = prefixed ? number_parse(name + prefix, length_bytes - prefix) : -1;
    const struct proc_entry *entry = number < 0 ? NULL : numbered(directory, number, &target);
    return entry == NULL ? -ENOENT : inode_make(directory->tree, entry, &target, out);
}

static uint32_t numbered_type(const struct proc_inode *directory)
{
    return directory->entry->kind == PROC_FILES        ? S_IFLNK
           : directory->entry->kind == PROC_FILES_INFO ? S_IFREG
                                                       : S_IFDIR;
}

static uint64_t numbered_number(const struct proc_inode *directory, int number)
{
    struct proc_target target = directory->target;
    switch (directory->entry->kind) {
    case PROC_ROOT:
        target.tid = number;
        return number_of(&proc_process_entry, &target);
    case PROC_TASKS:
        target.tid = number;
        return number_of(&proc_thread_entry, &target);
    case PROC_FILES:
        target.fd = number;
        return number_of(&proc_descriptor_entry, &target);
    case PROC_FILES_INFO:
        target.fd = number;
        return number_of(&proc_descriptor_info_entry, &target);
    case PROC_CPUS:
        target.fd = number;
        return number_of(directory->entry->cpu_entry, &target);
    case PROC_STATIC:
        break;
    }
    return 0;
}

static long list(struct inode *inode, uint64_t cursor, list_emit emit, void *context)
{
    const struct proc_inode *directory = proc_of(inode);
    uint32_t count;
    const struct proc_entry *children = children_of(directory, &count);
    for (; cursor < count; cursor++) {
        const struct proc_entry *child = &children[cursor];
        if (!emit(context, child->name, (uint32_t)strlen(child->name),
                  number_of(child, &directory->target), child->mode & S_IFMT, cursor + 1)) {
            return 0;
        }
    }
    if (directory->entry->kind == PROC_STATIC) {
        return 0;
    }
    if (directory->target.pid != 0 && !proc_alive(&directory->target)) {
        return -ENOENT;
    }
    int number = cursor <= NUMBER_CURSOR                  ? 0
                 : cursor - NUMBER_CURSOR > INT32_MAX - 1 ? -1
                                                          : (int)(cursor - NUMBER_CURSOR);
    while (number >= 0 && (number = next_number(directory, number)) >= 0) {
        char name[NUMBER_DIGITS + 8];
        uint32_t length =
            (uint32_t)format_text(name, sizeof(name), "%s%d", number_prefix(directory), number);
        if (!emit(context, name, length, numbered_number(directory, number),
                  numbered_type(directory), NUMBER_CURSOR + (uint64_t)number + 1)) {
            return 0;
        }
        number++;
    }
    return 0;
}

static bool has_child(const struct proc_entry *directory, const struct proc_entry *wanted)
{
    for (uint32_t i = 0; i < directory->child_count; i++) {
        if (&directory->children[i] == wanted) {
            return true;
        }
    }
    return directory->cpu_entry == wanted && wanted != NULL;
}

/* The directory of the tables that holds the entry; they are a few deep. NULL: not below this. */
static const struct proc_entry *above_find(const struct proc_entry *directory,
                                           const struct proc_entry *wanted)
{
    if (has_child(directory, wanted)) {
        return directory;
    }
    const struct proc_entry *found = NULL;
    for (uint32_t i = 0; i < directory->child_count && found == NULL; i++) {
        found = above_find(&directory->children[i], wanted);
    }
    return found == NULL && directory->cpu_entry != NULL ? above_find(directory->cpu_entry, wanted)
                                                         : found;
}

static long root_get(enum proc_tree tree, struct inode **out)
{
    inode_get(&roots[tree].inode);
    *out = &roots[tree].inode;
    return 0;
}

/* Within the tables of a tree. */
static long static_parent(const struct proc_inode *directory, struct inode **out)
{
    const struct proc_entry *root = roots[directory->tree].entry;
    const struct proc_entry *above = NULL;
    struct proc_target target = directory->target;
    uint32_t count;
    const struct proc_entry *top = children_of(&roots[directory->tree], &count);
    for (uint32_t i = 0; i < count && above == NULL; i++) {
        above = &top[i] == directory->entry ? root : above_find(&top[i], directory->entry);
    }
    if (above != NULL && (above->cpu_entry == directory->entry)) {
        target.fd = -1;
    }
    return above == NULL || above == root ? root_get(directory->tree, out)
                                          : inode_make(directory->tree, above, &target, out);
}

static const struct proc_entry *task_directory_entry(void)
{
    for (uint32_t i = 0; i < proc_process_entry.child_count; i++) {
        if (proc_process_entry.children[i].kind == PROC_TASKS) {
            return &proc_process_entry.children[i];
        }
    }
    return NULL;
}

static long parent(struct inode *inode, struct inode **out)
{
    const struct proc_inode *directory = proc_of(inode);
    const struct proc_entry *entry = directory->entry;
    struct proc_target target = directory->target;
    if (target.pid == 0) {
        return static_parent(directory, out);
    }
    if (entry == &proc_process_entry) {
        return root_get(PROC_TREE, out);
    }
    if (entry == &proc_thread_entry) {
        target.tid = target.pid;
        return inode_make(PROC_TREE, task_directory_entry(), &target, out);
    }
    const struct proc_entry *above = above_find(&proc_process_entry, entry);
    if (above == NULL) {
        above = above_find(&proc_thread_entry, entry);
    }
    return above == NULL ? -ENOENT : inode_make(PROC_TREE, above, &target, out);
}

static long name_of(struct inode *inode, char *out, uint32_t capacity_bytes)
{
    const struct proc_inode *directory = proc_of(inode);
    const struct proc_entry *entry = directory->entry;
    char name[NAME_MAX + 1];
    uint32_t length;
    if (directory->target.pid != 0 && !proc_alive(&directory->target)) {
        return -ENOENT;
    }
    if (entry == &proc_process_entry || entry == &proc_thread_entry) {
        length = (uint32_t)format_text(name, sizeof(name), "%d", directory->target.tid);
    } else if (entry->name == NULL) {
        length = (uint32_t)format_text(name, sizeof(name), "cpu%d", directory->target.fd);
    } else {
        length = (uint32_t)format_text(name, sizeof(name), "%s", entry->name);
    }
    if (length > capacity_bytes) {
        return -ERANGE;
    }
    memcpy(out, name, length);
    return length;
}

/* There is no such file, and none can be made. */
static long create(struct inode *directory, const char *name, uint32_t length_bytes,
                   const struct creation *creation, struct inode **out)
{
    (void)directory, (void)name, (void)length_bytes, (void)creation, (void)out;
    return -ENOENT;
}

static const struct inode_operations directory_operations = {
    .lookup = lookup,
    .create = create,
    .list = list,
    .parent = parent,
    .name = name_of,
    .release = proc_inode_release,
};

/* --- links ----------------------------------------------------------------------------------- */

static long link_read(struct inode *inode, char *out, uint32_t capacity_bytes)
{
    const struct proc_inode *link = proc_of(inode);
    if (link->entry->text != NULL) {
        uint32_t length = (uint32_t)MIN(strlen(link->entry->text), (size_t)capacity_bytes);
        memcpy(out, link->entry->text, length);
        return length;
    }
    return link->entry->readlink(&link->target, out, capacity_bytes);
}

/* "kind:[number]": an object of that number, which can be told apart from others and no more. */
static long object_follow(const struct proc_inode *link, struct path *out)
{
    static const struct proc_entry object = {.mode = S_IFREG | 0444, .text = ""};
    const char *digits = strchr(link->entry->text, '[');
    struct inode *made;
    long result = inode_make(link->tree, &object, &link->target, &made);
    if (result != 0) {
        return result;
    }
    made->number = 0;
    while (digits != NULL && *++digits >= '0' && *digits <= '9') {
        made->number = made->number * 10 + (uint64_t)(*digits - '0');
    }
    *out = (struct path){.inode = made};
    return 0;
}

static long link_follow(struct inode *inode, struct path *out)
{
    const struct proc_inode *link = proc_of(inode);
    if (link->entry->text != NULL) {
        return object_follow(link, out);
    }
    return link->entry->follow(&link->target, out);
}

/* Links to objects; links to paths are the same without `follow`. */
static const struct inode_operations link_operations = {
    .readlink = link_read,
    .follow = link_follow,
    .release = proc_inode_release,
};

static const struct inode_operations path_link_operations = {
    .readlink = link_read,
    .release = proc_inode_release,
};

/* --- processes ------------------------------------------------------------------------------- */

int proc_directory_pid(const struct inode *inode)
{
    if (inode->operations != &directory_operations) {
        return 0;
    }
    const struct proc_inode *proc = CONTAINER_OF(inode, const struct proc_inode, inode);
    return proc->entry == &proc_process_entry ? proc->target.pid : 0;
}

bool proc_directory_alive(struct inode *inode)
{
    return proc_alive(&proc_of(inode)->target);
}

/* --- roots ----------------------------------------------------------------------------------- */

struct inode *proc_tree_root(enum proc_tree tree, const struct proc_entry *entry)
{
    const struct proc_target nobody = {.fd = -1};
    struct proc_inode *root = &roots[tree];
    inode_fill(root, tree, entry, &nobody);
    root->inode.number = ROOT_NUMBER;
    root->stays = true;
    return &root->inode;
}

struct inode *proc_root(void)
{
    return proc_tree_root(PROC_TREE, &root_entry);
}

struct inode *proc_place_init(struct proc_inode *place, enum proc_tree tree,
                              const struct proc_entry *entry)
{
    const struct proc_target nobody = {.fd = -1};
    inode_fill(place, tree, entry, &nobody);
    place->stays = true;
    return &place->inode;
}
