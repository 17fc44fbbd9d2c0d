/*
 * What is in a file of /proc or /sys: made when it is read from the start, so that a program may
 * keep one open and read it again; or moved piece by piece, as a process's memory is.
 *
 * proc_file.lock guards the content and is held while it is copied out: handling a fault never
 * needs it.
 */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/file.h"
#include "linux/file/proc_inode.h"

#define TEXT_FIRST 1024
#define WRITE_MAX  256 /* of what a setting may be */

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
    const struct proc_entry *entry = inode->entry;
    *text = (struct proc_text){.bytes = NULL};
    long result = 0;
    if (entry->text != NULL) {
        proc_put_bytes(text, entry->text, (uint32_t)strlen(entry->text));
    } else if (entry->make != NULL) {
        result = entry->make(&inode->target, text);
    }
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

/* One write is one setting. */
static long file_write(struct file *file, struct io *io, uint64_t *position)
{
    const struct proc_inode *inode = proc_of(file->path.inode);
    char bytes[WRITE_MAX + 1];
    uint64_t length = MIN(io->left_bytes, (uint64_t)WRITE_MAX);
    (void)position;
    long result = io_take(io, bytes, length);
    if (result != 0) {
        return result;
    }
    bytes[length] = '\0';
    result = inode->entry->write(&inode->target, bytes, (uint32_t)length);
    return result != 0 ? result : (long)length;
}

static const struct file_operations content_operations = {
    .read = file_read,
    .write = file_write,
    .seek = file_seek_plain,
    .release = file_release,
};

static long bytes_read(struct file *file, struct io *io, uint64_t *position)
{
    const struct proc_inode *inode = proc_of(file->path.inode);
    return inode->entry->move(&inode->target, io, position, false);
}

static long bytes_write(struct file *file, struct io *io, uint64_t *position)
{
    const struct proc_inode *inode = proc_of(file->path.inode);
    return inode->entry->move(&inode->target, io, position, true);
}

static const struct file_operations bytes_operations = {
    .read = bytes_read,
    .write = bytes_write,
    .seek = file_seek_plain,
};

static long file_open(struct inode *inode, struct file *file)
{
    if (proc_of(inode)->entry->move != NULL) {
        file->operations = &bytes_operations;
        return proc_may_look(&proc_of(inode)->target);
    }
    if (file_writable(file) && proc_of(inode)->entry->write == NULL) {
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

/* What a shell's redirection does to a file before it writes means nothing here. */
static long file_set_attributes(struct inode *inode, uint32_t mask,
                                const struct attributes *attributes)
{
    (void)attributes;
    bool cut = (mask & ~(uint32_t)(ATTRIBUTE_SIZE | ATTRIBUTE_MODIFY_TIME)) == 0;
    return cut && proc_of(inode)->entry->write != NULL ? 0 : -EPERM;
}

const struct inode_operations proc_file_operations = {
    .open = file_open,
    .set_attributes = file_set_attributes,
    .release = proc_inode_release,
};
