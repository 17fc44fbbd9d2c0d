/* What copies in both directions share: their streams, how files are found, what the user is told.
 */
#include "linux/core/copy.h"

#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/walk.h"
#include "linux/proc/task.h"

#define NAME_SHOWN 120

long copy_problem(struct copy *copy, long result, const char *problem)
{
    copy->problem = problem;
    return result;
}

/* --- streams --------------------------------------------------------------------------------- */

static long interrupted(void)
{
    return task_signal_pending(task_current()) ? -EINTR : 0;
}

static long stream_take(void *context, void *to, uint32_t length_bytes)
{
    struct copy *copy = context;
    struct io io;
    uint64_t position = 0;
    long result = interrupted();
    if (result == 0) {
        io_init_kernel(&io, to, length_bytes);
        result = copy->stream->operations->read(copy->stream, &io, &position);
    }
    return result == -ERESTARTSYS ? -EINTR : result;
}

static long stream_give(void *context, const void *bytes, uint32_t length_bytes)
{
    struct copy *copy = context;
    struct io io;
    uint64_t position = 0;
    /* The buffer is only read. */
    io_init_kernel(&io, (void *)(uintptr_t)bytes, length_bytes);
    while (io.left_bytes > 0) {
        long result = interrupted();
        if (result == 0) {
            result = copy->stream->operations->write(copy->stream, &io, &position);
        }
        if (result <= 0) {
            return result == -ERESTARTSYS ? -EINTR : result == 0 ? -EIO : result;
        }
    }
    return 0;
}

void copy_reader_init(struct copy *copy, struct tar_reader *reader)
{
    reader->take = stream_take;
    reader->context = copy;
}

void copy_writer_init(struct copy *copy, struct tar_writer *writer)
{
    writer->give = stream_give;
    writer->context = copy;
}

/* --- files ----------------------------------------------------------------------------------- */

long copy_find(const struct path *directory, const char *name, uint32_t length_bytes,
               struct path *out)
{
    struct inode *inode = directory->inode;
    struct inode *found;
    if (!inode_is(inode, S_IFDIR) || inode->operations->lookup == NULL) {
        return -ENOTDIR;
    }
    long result = inode->operations->lookup(inode, name, length_bytes, &found);
    if (result == 0) {
        *out = (struct path){directory->mount, found};
        mount_cross(out);
    }
    return result;
}

long copy_open(const struct path *path, uint32_t flags, struct file **out)
{
    struct inode *inode = path->inode;
    struct file *file = file_new_at(path, NULL, NULL, flags);
    if (file == NULL) {
        return -ENOMEM;
    }
    const struct file_operations *none = file->operations;
    long result = inode->operations->open == NULL ? -ENXIO : inode->operations->open(inode, file);
    if (result != 0) {
        file->operations = none;
        file_put(file);
        return result;
    }
    *out = file;
    return 0;
}

/* --- what the user is told ------------------------------------------------------------------- */

static const struct {
    long error;
    status_t status;
    const char *text;
} errors[] = {
    {-ENOENT, STATUS_IO_ERROR, "it went away while it was copied"},
    {-ENOTDIR, STATUS_NOT_PERMITTED, "a part of its name is not a directory"},
    {-EISDIR, STATUS_NOT_PERMITTED, "a directory of that name is there"},
    {-EEXIST, STATUS_NOT_PERMITTED, "something else of that name is there"},
    {-EACCES, STATUS_NOT_PERMITTED, "permission denied"},
    {-EPERM, STATUS_NOT_PERMITTED, "operation not permitted"},
    {-EROFS, STATUS_NOT_PERMITTED, "read-only file system"},
    {-EBUSY, STATUS_NOT_PERMITTED, "it is in use"},
    {-EXDEV, STATUS_NOT_PERMITTED, "a link leads to another file system"},
    {-ELOOP, STATUS_NOT_PERMITTED, "too many symbolic links"},
    {-EMLINK, STATUS_LIMIT_REACHED, "too many links"},
    {-EFBIG, STATUS_TOO_LARGE, "the file is too large"},
    {-ENAMETOOLONG, STATUS_TOO_LARGE, "the name is too long"},
    {-ENOSPC, STATUS_NO_MEMORY, "no space left"},
    {-ENOMEM, STATUS_NO_MEMORY, "the container has no memory left"},
    {-EINTR, STATUS_INTERRUPTED, "the copy was interrupted"},
    {-EINVAL, STATUS_CORRUPT, "it cannot be copied"},
    {-EUCLEAN, STATUS_CORRUPT, "the image is damaged"},
    {-EIO, STATUS_IO_ERROR, "input/output error"},
};

static status_t explain(const struct copy *copy, long result, char *message, uint32_t message_bytes)
{
    status_t status = STATUS_IO_ERROR;
    const char *text = "it cannot be copied";
    for (uint32_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        if (errors[i].error == result) {
            status = errors[i].status;
            text = errors[i].text;
        }
    }
    if (!copy->found && (result == -ENOENT || result == -ENOTDIR)) {
        status = copy->problem != NULL ? STATUS_WRONG_TYPE : STATUS_NOT_FOUND;
        text = "no such file or directory";
    }
    text = copy->problem != NULL ? copy->problem : text;
    size_t length = strlen(copy->name);
    const char *name = copy->name + (length > NAME_SHOWN ? length - NAME_SHOWN : 0);
    format_text(message, message_bytes, "%s%s%s", name, length > 0 ? ": " : "", text);
    return status;
}

status_t copy_run(struct file *stream, const char *path, bool into, char *message,
                  uint32_t message_bytes)
{
    struct copy *copy = heap_alloc(sizeof(*copy));
    if (copy == NULL) {
        format_text(message, message_bytes, "the container has no memory left");
        return STATUS_NO_MEMORY;
    }
    copy->stream = stream;
    long result = strlen(path) >= PATH_MAX ? -ENAMETOOLONG
                  : into                   ? copy_in(copy, path)
                                           : copy_out(copy, path);
    status_t status = result == 0 ? STATUS_OK : explain(copy, result, message, message_bytes);
    heap_free(copy);
    return status;
}
