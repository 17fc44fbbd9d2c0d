/*
 * Two readers of libarchive in a row: the outer one takes off the compression and yields raw bytes,
 * the inner one reads those as tar. Between them the archive's digest is computed.
 */
#include "host/image/layer.h"

#include "host/cli/cli.h"
#include "host/image/xattr.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define READ_BYTES         (256u << 10)
#define WHITEOUT           ".wh."
#define WHITEOUT_META      ".wh..wh."
#define WHITEOUT_OPAQUE    ".wh..wh..opq"
#define UNPACKED_BYTES_MAX (1ull << 42)
#define NANOSECONDS        1000000000

struct layer_reader {
    struct image_tree *tree;
    const struct layer *layer;
    struct archive *outer;
    struct archive *inner;
    bool empty; /* the layer has no bytes at all */
    struct hasher *stored_hasher;
    struct hasher *archive_hasher;
    uint64_t stored_bytes; /* read so far */
    uint64_t archive_bytes;
    layer_progress progress;
    void *progress_context;
    uint8_t buffer[READ_BYTES];
};

static la_ssize_t stored_read(struct archive *archive, void *context, const void **bytes)
{
    struct layer_reader *reader = context;
    const struct byte_range *stored = &reader->layer->stored;
    size_t wanted =
        MIN((uint64_t)sizeof(reader->buffer), stored->size_bytes - reader->stored_bytes);
    ssize_t got = 0;
    if (wanted > 0) {
        do {
            got = pread(stored->fd, reader->buffer, wanted,
                        (off_t)(stored->offset + reader->stored_bytes));
        } while (got < 0 && errno == EINTR);
    }
    if (got < 0 || (got == 0 && wanted > 0)) {
        archive_set_error(archive, EIO, "%s", got < 0 ? strerror(errno) : "it is cut short");
        return ARCHIVE_FATAL;
    }
    hasher_update(reader->stored_hasher, reader->buffer, (size_t)got);
    reader->stored_bytes += (uint64_t)got;
    if (reader->progress != NULL) {
        reader->progress(reader->progress_context, (uint64_t)got);
    }
    *bytes = reader->buffer;
    return got;
}

static la_ssize_t archive_bytes_read(struct archive *archive, void *context, const void **bytes)
{
    struct layer_reader *reader = context;
    size_t length_bytes = 0;
    la_int64_t offset;
    int result;
    if (reader->empty) {
        return 0;
    }
    do {
        result = archive_read_data_block(reader->outer, bytes, &length_bytes, &offset);
    } while (result == ARCHIVE_OK && length_bytes == 0);
    if (result == ARCHIVE_EOF) {
        return 0;
    }
    if (result != ARCHIVE_OK) {
        archive_set_error(archive, EIO, "%s", archive_error_string(reader->outer));
        return ARCHIVE_FATAL;
    }
    reader->archive_bytes += length_bytes;
    if (reader->archive_bytes > UNPACKED_BYTES_MAX) {
        archive_set_error(archive, EFBIG, "it is too large");
        return ARCHIVE_FATAL;
    }
    hasher_update(reader->archive_hasher, *bytes, length_bytes);
    return (la_ssize_t)length_bytes;
}

static status_t archive_problem(struct layer_reader *reader, struct archive *archive)
{
    const char *text = archive_error_string(archive);
    return problem_set(reader->tree->problem, STATUS_CORRUPT, "layer %u cannot be read: %.200s",
                       reader->layer->number, text != NULL ? text : "it is damaged");
}

static bool path_climbs(const char *path)
{
    for (const char *part = path; *part != '\0';) {
        size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            return true;
        }
        part += length;
        part += strspn(part, "/");
    }
    return false;
}

static status_t climbs_refuse(struct image_tree *tree, const char *path)
{
    return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                       "the image holds a path with ..: %.200s", path);
}

static status_t about_read(struct image_tree *tree, struct archive_entry *entry, const char *path,
                           struct inode_about *out)
{
    mode_t type = archive_entry_filetype(entry);
    la_int64_t uid = archive_entry_uid(entry);
    la_int64_t gid = archive_entry_gid(entry);
    if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK && type != AE_IFIFO &&
        type != AE_IFCHR && type != AE_IFBLK) {
        return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a file of an unknown type: %.200s", path);
    }
    if ((type == AE_IFCHR || type == AE_IFBLK) && archive_entry_rdev(entry) != 0) {
        return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a device node, which containers may not have: %.200s",
                           path);
    }
    if (uid < 0 || gid < 0 || uid > INT32_MAX || gid > INT32_MAX) {
        return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a file with an impossible owner: %.200s", path);
    }
    time_t seconds = archive_entry_mtime_is_set(entry) ? archive_entry_mtime(entry) : 0;
    long nanoseconds = archive_entry_mtime_is_set(entry) ? archive_entry_mtime_nsec(entry) : 0;
    *out = (struct inode_about){
        .mode = type | (archive_entry_perm(entry) & TREE_MODE_PERMISSIONS),
        .uid = (uint32_t)uid,
        .gid = (uint32_t)gid,
        .mtime_seconds = seconds > 0 ? (uint64_t)seconds : 0,
        .mtime_nanoseconds =
            nanoseconds > 0 && nanoseconds < NANOSECONDS && seconds > 0 ? (uint32_t)nanoseconds : 0,
    };
    return STATUS_OK;
}

static status_t content_read(struct layer_reader *reader, struct inode *inode)
{
    const void *bytes;
    size_t length_bytes;
    la_int64_t offset;
    int result;
    while ((result = archive_read_data_block(reader->inner, &bytes, &length_bytes, &offset)) ==
           ARCHIVE_OK) {
        if (offset < 0 || !range_inside((uint64_t)offset, length_bytes, inode->size_bytes)) {
            return problem_set(reader->tree->problem, STATUS_CORRUPT,
                               "layer %u holds a file longer than it says", reader->layer->number);
        }
        status_t status = spool_write(reader->tree->spool, inode->spool_offset + (uint64_t)offset,
                                      bytes, length_bytes, reader->tree->problem);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return result == ARCHIVE_EOF ? STATUS_OK : archive_problem(reader, reader->inner);
}

static status_t hard_link(struct layer_reader *reader, const struct tree_place *place,
                          const char *path, const char *target)
{
    struct image_tree *tree = reader->tree;
    struct entry *entry;
    if (path_climbs(target)) {
        return climbs_refuse(tree, target);
    }
    status_t status = image_tree_find(tree, target, reader->layer->number, &entry);
    if (status == STATUS_OK && S_ISDIR(entry->inode->about.mode)) {
        status = problem_set(tree->problem, STATUS_NOT_PERMITTED,
                             "the image holds a hard link to a directory: %.200s", path);
    }
    return status == STATUS_OK ? image_tree_link(tree, place, entry->inode, reader->layer->number)
                               : status;
}

static status_t symbolic_link(struct image_tree *tree, struct inode *inode, const char *path,
                              const char *target)
{
    size_t target_bytes = target != NULL ? strlen(target) : 0;
    if (target_bytes == 0 || target_bytes > TREE_LINK_BYTES_MAX) {
        inode->about.mode = S_IFIFO; /* it has no target that could be freed or written */
        return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a symbolic link without a proper target: %.200s", path);
    }
    inode->target = text_copy(target);
    inode->size_bytes = target_bytes;
    inode->about.mode = S_IFLNK | 0777;
    return STATUS_OK;
}

static status_t file_set(struct layer_reader *reader, struct archive_entry *entry, const char *path)
{
    struct image_tree *tree = reader->tree;
    struct tree_place place;
    struct inode_about about = {0};
    struct inode *inode;
    const char *target = archive_entry_hardlink(entry);
    status_t status = target == NULL ? about_read(tree, entry, path, &about) : STATUS_OK;
    if (status == STATUS_OK) {
        status = image_tree_place(tree, path, reader->layer->number, &place);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (target != NULL) {
        return hard_link(reader, &place, path, target);
    }
    status = image_tree_set(tree, &place, &about, reader->layer->number, &inode);
    if (status == STATUS_OK && S_ISLNK(about.mode)) {
        return symbolic_link(tree, inode, path, archive_entry_symlink(entry));
    }
    if (status == STATUS_OK) {
        status = xattrs_read(entry, inode, path, tree->problem);
    }
    if (status == STATUS_OK && S_ISREG(about.mode)) {
        status = image_tree_content(tree, inode, (uint64_t)MAX(archive_entry_size(entry), 0));
        status = status == STATUS_OK ? content_read(reader, inode) : status;
    }
    return status;
}

/* Whether a part of the path is a union file system's note to itself. */
static bool path_is_note(const char *path)
{
    for (const char *part = path; *part != '\0';) {
        size_t length = strcspn(part, "/");
        if (strncmp(part, WHITEOUT_META, strlen(WHITEOUT_META)) == 0 &&
            strcmp(part, WHITEOUT_OPAQUE) != 0) {
            return true;
        }
        part += length;
        part += strspn(part, "/");
    }
    return false;
}

/* name: the last one of path. */
static status_t whiteout(struct layer_reader *reader, const char *path, const char *name)
{
    struct tree_place place;
    uint16_t number = reader->layer->number;
    status_t status = image_tree_place(reader->tree, path, number, &place);
    if (status != STATUS_OK) {
        return status;
    }
    if (strcmp(name, WHITEOUT_OPAQUE) == 0) {
        image_tree_opaque(reader->tree, place.directory, number);
        return STATUS_OK;
    }
    const char *gone = name + strlen(WHITEOUT);
    if (gone[0] == '\0' || strcmp(gone, ".") == 0 || strcmp(gone, "..") == 0) {
        return problem_set(reader->tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a whiteout without a proper name: %.200s", path);
    }
    image_tree_whiteout(reader->tree, place.directory, gone, strlen(gone), number);
    return STATUS_OK;
}

static status_t entry_merge(struct layer_reader *reader, struct archive_entry *entry)
{
    const char *path = archive_entry_pathname(entry);
    if (path == NULL) {
        return problem_set(reader->tree->problem, STATUS_CORRUPT,
                           "layer %u holds a name that cannot be read", reader->layer->number);
    }
    if (path_climbs(path)) {
        return climbs_refuse(reader->tree, path);
    }
    if (path_is_note(path)) {
        return STATUS_OK;
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (strncmp(name, WHITEOUT, strlen(WHITEOUT)) == 0) {
        return whiteout(reader, path, name);
    }
    return file_set(reader, entry, path);
}

static status_t entries_merge(struct layer_reader *reader)
{
    struct archive_entry *entry;
    int result;
    while ((result = archive_read_next_header(reader->inner, &entry)) == ARCHIVE_OK ||
           result == ARCHIVE_WARN) {
        status_t status = entry_merge(reader, entry);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return result == ARCHIVE_EOF ? STATUS_OK : archive_problem(reader, reader->inner);
}

/* What follows the end of the archive counts for the digests too. */
static status_t rest_read(struct layer_reader *reader)
{
    const void *bytes;
    la_ssize_t got;
    do {
        got = archive_bytes_read(reader->inner, reader, &bytes);
    } while (got > 0);
    while (got == 0 && reader->stored_bytes < reader->layer->stored.size_bytes) {
        got = stored_read(reader->inner, reader, &bytes) > 0 ? 0 : -1;
    }
    return got == 0 ? STATUS_OK : archive_problem(reader, reader->inner);
}

static status_t digests_check(struct layer_reader *reader)
{
    const struct layer *layer = reader->layer;
    struct digest stored;
    struct digest unpacked;
    hasher_final(reader->stored_hasher, &stored);
    hasher_final(reader->archive_hasher, &unpacked);
    if (layer->digest != NULL && !digest_equal(&stored, layer->digest)) {
        return problem_set(reader->tree->problem, STATUS_CORRUPT,
                           "layer %u does not match its digest: the image is damaged",
                           layer->number);
    }
    if (!digest_equal(&unpacked, layer->diff_id)) {
        return problem_set(reader->tree->problem, STATUS_CORRUPT,
                           "layer %u does not match the digest in the image's configuration",
                           layer->number);
    }
    return STATUS_OK;
}

static bool outer_open(struct layer_reader *reader)
{
    struct archive_entry *entry;
    if (archive_read_support_filter_gzip(reader->outer) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(reader->outer) != ARCHIVE_OK ||
        archive_read_support_format_raw(reader->outer) != ARCHIVE_OK ||
        archive_read_support_format_empty(reader->outer) != ARCHIVE_OK ||
        archive_read_open(reader->outer, reader, NULL, stored_read, NULL) != ARCHIVE_OK) {
        return false;
    }
    int result = archive_read_next_header(reader->outer, &entry);
    reader->empty = result == ARCHIVE_EOF;
    return result >= ARCHIVE_WARN;
}

static bool inner_formats(struct archive *inner)
{
    return archive_read_support_format_tar(inner) == ARCHIVE_OK &&
           archive_read_support_format_empty(inner) == ARCHIVE_OK;
}

static status_t layer_read(struct layer_reader *reader)
{
    if (!outer_open(reader)) {
        return archive_problem(reader, reader->outer);
    }
    if (!inner_formats(reader->inner) ||
        archive_read_open(reader->inner, reader, NULL, archive_bytes_read, NULL) != ARCHIVE_OK) {
        return archive_problem(reader, reader->inner);
    }
    status_t status = entries_merge(reader);
    if (status == STATUS_OK) {
        status = rest_read(reader);
    }
    return status == STATUS_OK ? digests_check(reader) : status;
}

static struct layer_reader *reader_new(struct image_tree *tree, const struct layer *layer)
{
    struct layer_reader *reader = allocate(sizeof(*reader));
    reader->tree = tree;
    reader->layer = layer;
    reader->outer = archive_read_new();
    reader->inner = archive_read_new();
    if (reader->outer == NULL || reader->inner == NULL) {
        exit(error_line(EXIT_OAK, "out of memory"));
    }
    reader->stored_hasher = hasher_new();
    reader->archive_hasher = hasher_new();
    return reader;
}

static void reader_free(struct layer_reader *reader)
{
    archive_read_free(reader->inner);
    archive_read_free(reader->outer);
    hasher_free(reader->stored_hasher);
    hasher_free(reader->archive_hasher);
    free(reader);
}

status_t layer_merge(struct image_tree *tree, const struct layer *layer, layer_progress progress,
                     void *context)
{
    struct layer_reader *reader = reader_new(tree, layer);
    reader->progress = progress;
    reader->progress_context = context;
    status_t status = layer_read(reader);
    reader_free(reader);
    return status;
}

status_t layer_merge_bytes(struct image_tree *tree, const void *bytes, size_t length_bytes,
                           uint16_t number)
{
    const struct layer layer = {.number = number};
    struct layer_reader *reader = reader_new(tree, &layer);
    status_t status;
    if (!inner_formats(reader->inner) ||
        archive_read_open_memory(reader->inner, bytes, length_bytes) != ARCHIVE_OK) {
        status = archive_problem(reader, reader->inner);
    } else {
        status = entries_merge(reader);
    }
    reader_free(reader);
    return status;
}
