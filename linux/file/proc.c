/*
 * /proc: directories, lookups, and files whose content is made when they are read from the start,
 * so that a program may keep one open and read it again.
 *
 * Owns: struct proc_inode (an entry, and whose it is), struct proc_file (content). The root is the
 * one inode that lives for ever; every other is made by each lookup, with a number that follows
 * from what it shows.
 *
 * Locks: tasks_lock, taken for each question about processes, with an open file's position lock
 * held: nothing that holds tasks_lock ever takes a lock of a file. proc_file.lock guards the
 * content and is held while it is copied out: handling a fault never needs it.
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
#include "linux/file/tree_fs.h"
#include "linux/proc/table.h"

#define ROOT_NUMBER   1
#define NUMBER_CURSOR 4096 /* cursors of numbered entries begin here */
#define NUMBER_DIGITS 10
#define TEXT_FIRST    1024

struct proc_inode {
    struct inode inode;
    const struct proc_entry *entry;
    struct proc_target target;
};

static const struct inode_operations directory_operations;
static const struct inode_operations file_operations_of_inode;
static const struct inode_operations link_operations;
static const struct inode_operations path_link_operations;

static const struct proc_entry root_entry = {
    .name = "",
    .mode = S_IFDIR | 0555,
    .kind = PROC_ROOT,
};

static struct proc_inode root;

static struct proc_inode *proc_of(struct inode *inode)
{
    return CONTAINER_OF(inode, struct proc_inode, inode);
}

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
        return entry->follow == NULL ? &path_link_operations : &link_operations;
    default:
        return &file_operations_of_inode;
    }
}

static long inode_make(const struct proc_entry *entry, const struct proc_target *target,
                       struct inode **out)
{
    uint32_t uid = 0;
    uint32_t gid = 0;
    if (target->pid != 0 && !proc_owner(target, &uid, &gid)) {
        return -ENOENT;
    }
    struct proc_inode *made = heap_alloc(sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    made->entry = entry;
    made->target = *target;
    struct inode *inode = &made->inode;
    inode->references = 1;
    inode->mode = entry->mode;
    inode->uid = uid;
    inode->gid = gid;
    inode->links = (entry->mode & S_IFMT) == S_IFDIR ? 2 : 1;
    inode->number = number_of(entry, target);
    inode->access_ns = inode->modify_ns = inode->change_ns = (int64_t)clock_wall_ns();
    inode->operations = operations_of(entry);
    *out = inode;
    return 0;
}

static void release(struct inode *inode)
{
    if (inode != &root.inode) {
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
        *target = (struct proc_target){number, number, -1};
        return proc_alive(target) ? &proc_process_entry : NULL;
    case PROC_TASKS:
        target->tid = number;
        return proc_alive(target) ? &proc_thread_entry : NULL;
    case PROC_FILES:
        target->fd = number;
        return descriptor_exists(target, number) ? &proc_descriptor_entry : NULL;
    case PROC_FILES_INFO:
        target->fd = number;
        return descriptor_exists(target, number) ? &proc_descriptor_info_entry : NULL;
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

static long lookup(struct inode *inode, const char *name, uint32_t length_bytes, struct inode **out)
{
    const struct proc_inode *directory = proc_of(inode);
    uint32_t count;
    const struct proc_entry *children = children_of(directory, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (strlen(children[i].name) == length_bytes &&
            memcmp(children[i].name, name, length_bytes) == 0) {
            return inode_make(&children[i], &directory->target, out);
        }
    }
    struct proc_target target;
    int number = number_parse(name, length_bytes);
    const struct proc_entry *entry = number < 0 ? NULL : numbered(directory, number, &target);
    return entry == NULL ? -ENOENT : inode_make(entry, &target, out);
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
        char name[NUMBER_DIGITS + 2];
        uint32_t length = (uint32_t)format_text(name, sizeof(name), "%d", number);
        if (!emit(context, name, length, numbered_number(directory, number),
                  numbered_type(directory), NUMBER_CURSOR + (uint64_t)number + 1)) {
            return 0;
        }
        number++;
    }
    return 0;
}

static const struct proc_entry *find_child(const struct proc_entry *entries, uint32_t count,
                                           const struct proc_entry *wanted)
{
    for (uint32_t i = 0; i < count; i++) {
        if (&entries[i] == wanted) {
            return wanted;
        }
    }
    return NULL;
}

static long root_get(struct inode **out)
{
    inode_get(&root.inode);
    *out = &root.inode;
    return 0;
}

/* The directory within the system's tables that holds the entry; the tables are two deep. */
static const struct proc_entry *system_parent(const struct proc_entry *wanted)
{
    for (uint32_t i = 0; i < proc_system_entry_count; i++) {
        const struct proc_entry *top = &proc_system_entries[i];
        if (find_child(top->children, top->child_count, wanted) != NULL) {
            return top;
        }
        for (uint32_t j = 0; j < top->child_count; j++) {
            const struct proc_entry *middle = &top->children[j];
            if (find_child(middle->children, middle->child_count, wanted) != NULL) {
                return middle;
            }
        }
    }
    return NULL;
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
        const struct proc_entry *above = system_parent(entry);
        return above == NULL ? root_get(out) : inode_make(above, &target, out);
    }
    if (entry == &proc_process_entry) {
        return root_get(out);
    }
    if (entry == &proc_thread_entry) {
        target.tid = target.pid;
        return inode_make(task_directory_entry(), &target, out);
    }
    bool of_process =
        find_child(proc_process_entry.children, proc_process_entry.child_count, entry) != NULL;
    return inode_make(of_process ? &proc_process_entry : &proc_thread_entry, &target, out);
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
    } else {
        length = (uint32_t)format_text(name, sizeof(name), "%s", entry->name);
    }
    if (length > capacity_bytes) {
        return -ERANGE;
    }
    memcpy(out, name, length);
    return length;
}

/* A directory is opened to be listed only. */
static long directory_open(struct inode *inode, struct file *file)
{
    (void)inode;
    static const struct file_operations nothing = {.release = NULL};
    file->operations = &nothing;
    return 0;
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
    .open = directory_open,
    .release = release,
};

/* --- links ----------------------------------------------------------------------------------- */

static long link_read(struct inode *inode, char *out, uint32_t capacity_bytes)
{
    const struct proc_inode *link = proc_of(inode);
    return link->entry->readlink(&link->target, out, capacity_bytes);
}

static long link_follow(struct inode *inode, struct path *out)
{
    const struct proc_inode *link = proc_of(inode);
    return link->entry->follow(&link->target, out);
}

/* Links to objects; links to paths are the same without `follow`. */
static const struct inode_operations link_operations = {
    .readlink = link_read,
    .follow = link_follow,
    .release = release,
};

static const struct inode_operations path_link_operations = {
    .readlink = link_read,
    .release = release,
};

/* --- content --------------------------------------------------------------------------------- */

static bool text_grow(struct proc_text *text, uint32_t needed_bytes)
{
    uint32_t capacity = text->capacity_bytes == 0 ? TEXT_FIRST : text->capacity_bytes;
    while (capacity < needed_bytes && capacity < PROC_TEXT_MAX) {
        capacity *= 2;
    }
    char *bytes = capacity < needed_bytes ? NULL : heap_alloc(capacity);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    if (text->used_bytes != 0) {
        memcpy(bytes, text->bytes, text->used_bytes);
    }
    heap_free(text->bytes);
    text->bytes = bytes;
    text->capacity_bytes = capacity;
    return true;
}

void proc_put_bytes(struct proc_text *text, const void *bytes, uint32_t length_bytes)
{
    if (text->failed || length_bytes > PROC_TEXT_MAX) {
        text->failed = true;
        return;
    }
    uint32_t needed = text->used_bytes + length_bytes;
    if (needed > text->capacity_bytes && !text_grow(text, needed)) {
        return;
    }
    memcpy(text->bytes + text->used_bytes, bytes, length_bytes);
    text->used_bytes = needed;
}

void proc_put(struct proc_text *text, const char *format, ...)
{
    char piece[512];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text_list(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    proc_put_bytes(text, piece, (uint32_t)length);
}

struct proc_file {
    struct mutex lock;
    struct proc_text text;
    bool made;
};

static long content_make(const struct proc_inode *inode, struct proc_text *text)
{
    *text = (struct proc_text){.bytes = NULL};
    long result = inode->entry->make(&inode->target, text);
    if (result == 0 && text->failed) {
        result = -ENOMEM;
    }
    if (result != 0) {
        heap_free(text->bytes);
    }
    return result;
}

/* Make it again when reading begins again. */
static long content_refresh(struct file *file, struct proc_file *content, uint64_t position)
{
    struct proc_text text;
    mutex_lock(&content->lock);
    bool made = content->made;
    mutex_unlock(&content->lock);
    if (made && position != 0) {
        return 0;
    }
    long result = content_make(proc_of(file->path.inode), &text);
    if (result != 0) {
        return result;
    }
    mutex_lock(&content->lock);
    char *old = content->text.bytes;
    content->text = text;
    content->made = true;
    mutex_unlock(&content->lock);
    heap_free(old);
    return 0;
}

static long file_read(struct file *file, struct io *io, uint64_t *position)
{
    struct proc_file *content = file->data;
    long result = content_refresh(file, content, *position);
    if (result != 0) {
        return result;
    }
    uint64_t length = 0;
    mutex_lock(&content->lock);
    if (*position < content->text.used_bytes) {
        length = MIN(content->text.used_bytes - *position, io->left_bytes);
        result = io_put(io, content->text.bytes + *position, length);
    }
    mutex_unlock(&content->lock);
    if (result != 0) {
        return result;
    }
    *position += length;
    return (long)length;
}

static void file_release(struct file *file)
{
    struct proc_file *content = file->data;
    heap_free(content->text.bytes);
    heap_free(content);
}

static const struct file_operations content_operations = {
    .read = file_read,
    .seek = file_seek_plain,
    .release = file_release,
};

static long file_open(struct inode *inode, struct file *file)
{
    (void)inode;
    if (file_writable(file)) {
        return -EACCES;
    }
    struct proc_file *content = heap_alloc(sizeof(*content));
    if (content == NULL) {
        return -ENOMEM;
    }
    file->operations = &content_operations;
    file->data = content;
    return 0;
}

static const struct inode_operations file_operations_of_inode = {
    .open = file_open,
    .release = release,
};

/* --- mount ----------------------------------------------------------------------------------- */

long proc_mount(void)
{
    root.entry = &root_entry;
    root.target = (struct proc_target){.fd = -1};
    root.inode.references = 1;
    root.inode.mode = root_entry.mode;
    root.inode.links = 2;
    root.inode.number = ROOT_NUMBER;
    root.inode.modify_ns = root.inode.change_ns = (int64_t)clock_wall_ns();
    root.inode.operations = &directory_operations;
    return mount_at("/proc", &root.inode, "proc", "proc", PROC_MAGIC, false);
}
