/*
 * What the rest of the personality would be for vfs_test.c, into which the personality's files are
 * compiled: the heap, locks, the application's memory, and whoever is told of what happens to
 * files.
 */
#pragma once

struct mutex tasks_lock;
uint64_t renames_done;
static bool out_of_memory;

void *heap_alloc(size_t size_bytes)
{
    return out_of_memory ? NULL : calloc(1, size_bytes);
}

/* Filled with what nobody may see. */
void *heap_alloc_unfilled(size_t size_bytes)
{
    void *block = heap_alloc(size_bytes);
    return block == NULL ? NULL : memset(block, 0x5a, size_bytes);
}

void heap_free(void *allocation)
{
    free(allocation);
}

/* One thread only: a lock that is held already is held by ourselves. */
void mutex_lock_slow(struct mutex *mutex)
{
    (void)mutex;
    abort();
}

void mutex_unlock_slow(struct mutex *mutex)
{
    (void)mutex;
    abort();
}

static bool user_bad(uint64_t address, uint64_t length_bytes)
{
    return address < PAGE_SIZE || !user_range(address, length_bytes);
}

long user_copy(void *to, const void *from, uint64_t length_bytes)
{
    memcpy(to, from, length_bytes);
    return 0;
}

long copy_to_user(uint64_t to, const void *from, uint64_t length_bytes)
{
    return user_bad(to, length_bytes) ? -EFAULT : user_copy((void *)to, from, length_bytes);
}

long copy_from_user(void *to, uint64_t from, uint64_t length_bytes)
{
    return user_bad(from, length_bytes) ? -EFAULT : user_copy(to, (const void *)from, length_bytes);
}

long clear_user(uint64_t to, uint64_t length_bytes)
{
    if (user_bad(to, length_bytes)) {
        return -EFAULT;
    }
    memset((void *)to, 0, length_bytes);
    return 0;
}

long copy_string_from_user(char *to, uint64_t from, uint64_t capacity_bytes)
{
    if (user_bad(from, 1)) {
        return -EFAULT;
    }
    size_t length = strnlen((const char *)from, capacity_bytes);
    if (length == capacity_bytes) {
        return -ENAMETOOLONG;
    }
    memcpy(to, (const char *)from, length + 1);
    return (long)length;
}

struct container_memory container_memory_read(void)
{
    return (struct container_memory){0, 0};
}

bool file_is_pipe(const struct file *file)
{
    (void)file;
    return false;
}

uint32_t pipe_capacity(const struct file *file)
{
    (void)file;
    return 0;
}

long pipe_resize(struct file *file, uint64_t wanted_bytes)
{
    (void)file, (void)wanted_bytes;
    return -EBADF;
}

long limit_file_exceeded(void)
{
    return -EFBIG;
}

uint64_t clock_wall_ns(void)
{
    return 1000000007;
}

long image_page_in(uint64_t offset)
{
    (void)offset;
    return 0;
}

void wait_queue_wake(struct wait_queue *queue, uint32_t events)
{
    (void)queue, (void)events;
}

void proc_put(struct proc_text *text, const char *format, ...)
{
    (void)text, (void)format;
}

void epoll_file_gone(struct file *file)
{
    (void)file;
}

/* No file tells anybody by signals. */
void async_file_gone(struct file *file)
{
    (void)file;
    CHECK(false);
}

long async_switch(struct file *file, int fd, bool on)
{
    (void)file, (void)fd, (void)on;
    return 0;
}

long async_owner_set(struct file *file, const struct async_owner *owner)
{
    (void)file, (void)owner;
    return 0;
}

struct async_owner async_owner_get(const struct file *file)
{
    (void)file;
    return (struct async_owner){0, 0};
}

long async_signal_set(struct file *file, uint64_t number)
{
    (void)file, (void)number;
    return 0;
}

int async_signal_get(const struct file *file)
{
    (void)file;
    return 0;
}

/* Nobody watches. */
uint32_t notify_watches;

void notify_inode(struct inode *inode, uint32_t events)
{
    (void)inode, (void)events;
}

void notify_name(struct inode *directory, const struct last_name *last, bool is_directory,
                 uint32_t events, uint32_t cookie)
{
    (void)directory, (void)last, (void)is_directory, (void)events, (void)cookie;
}

void notify_file(const struct file *file, uint32_t events)
{
    (void)file, (void)events;
}

void notify_path(int directory_fd, uint64_t user_path, struct inode *inode, uint32_t events)
{
    (void)directory_fd, (void)user_path, (void)inode, (void)events;
}

uint32_t notify_cookie(void)
{
    return 1;
}

uint32_t notify_of_change(uint32_t mask)
{
    return mask;
}

void inode_watches_end(struct inode *inode)
{
    (void)inode;
}

/* Whoever would wait is told of a signal. */
long wait_event(struct wait_queue *queue, bool (*ready)(void *), void *context)
{
    (void)queue;
    return ready(context) ? 0 : -ERESTARTSYS;
}

bool tree_fs_is(const struct inode *inode)
{
    (void)inode;
    return false;
}

void tree_fs_usage(const struct inode *inode, struct tree_usage *out)
{
    (void)inode, (void)out;
}
