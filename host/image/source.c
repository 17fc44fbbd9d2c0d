#include "host/image/source.h"

#include "host/cli/cli.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES     (256u << 10)
#define LINKS_FOLLOWED 8
#define NAME_BYTES_MAX 4096
#define CUT_SHORT      "the archive cannot be read: "

struct source_file {
    char *name;
    char *target; /* of a link to another file; NULL otherwise */
    uint64_t offset;
    uint64_t size_bytes;
};

static status_t archive_problem(struct source *source, struct archive *archive)
{
    const char *text = archive_error_string(archive);
    return problem_set(source->problem, STATUS_CORRUPT, CUT_SHORT "%.200s",
                       text != NULL ? text : "it is damaged");
}

static status_t file_add(struct source *source, const struct source_file *file)
{
    if (source->count == SOURCE_FILES_MAX) {
        return problem_set(source->problem, STATUS_LIMIT_REACHED,
                           "the archive holds more than %d files", SOURCE_FILES_MAX);
    }
    if (source->count == source->capacity) {
        source->capacity = MAX(2 * source->capacity, (size_t)64);
        source->files = allocate_again(source->files, source->capacity * sizeof(*source->files));
    }
    source->files[source->count++] = *file;
    return STATUS_OK;
}

/* The name without what leads nowhere: "./a//b/../c" is "a/c". False for one that leads out. */
static bool name_clean(const char *name, char out[NAME_BYTES_MAX])
{
    size_t used = 0;
    for (const char *part = name; *part != '\0';) {
        size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            if (used == 0) {
                return false;
            }
            while (used > 0 && out[--used] != '/') {
            }
        } else if (length > 0 && !(length == 1 && part[0] == '.')) {
            if (used + length + 2 > NAME_BYTES_MAX) {
                return false;
            }
            if (used > 0) {
                out[used++] = '/';
            }
            memcpy(out + used, part, length);
            used += length;
        }
        part += length;
        part += strspn(part, "/");
    }
    out[used] = '\0';
    return used > 0;
}

/* A symbolic link's target is looked at from its own directory, a hard link's from the top. */
static char *link_target(const char *name, struct archive_entry *entry)
{
    const char *hard = archive_entry_hardlink(entry);
    const char *soft = archive_entry_symlink(entry);
    char clean[NAME_BYTES_MAX];
    if (hard != NULL) {
        return name_clean(hard, clean) ? text_copy(clean) : NULL;
    }
    if (soft == NULL) {
        return NULL;
    }
    const char *slash = strrchr(name, '/');
    char *joined = text_format("%.*s/%s", slash != NULL ? (int)(slash - name) : 0, name, soft);
    char *target = name_clean(joined, clean) ? text_copy(clean) : NULL;
    free(joined);
    return target;
}

static status_t entry_index(struct source *source, struct archive *archive,
                            struct archive_entry *entry)
{
    const char *path = archive_entry_pathname(entry);
    char name[NAME_BYTES_MAX];
    struct source_file file = {0};
    if (path == NULL || !name_clean(path, name)) {
        return STATUS_OK; /* nothing that could be asked for */
    }
    file.target = link_target(name, entry);
    if (file.target == NULL) {
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_sparse_count(entry) > 0) {
            return STATUS_OK;
        }
        /* The tar reader has taken the header and nothing more. */
        file.offset = (uint64_t)archive_filter_bytes(archive, 0);
        file.size_bytes = (uint64_t)MAX(archive_entry_size(entry), 0);
    }
    file.name = text_copy(name);
    return file_add(source, &file);
}

static status_t archive_index(struct source *source)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    struct stat about;
    status_t status = STATUS_OK;
    int result = archive != NULL && fstat(source->archive_fd, &about) == 0 &&
                         lseek(source->archive_fd, 0, SEEK_SET) == 0
                     ? archive_read_support_format_tar(archive)
                     : ARCHIVE_FATAL;
    if (result == ARCHIVE_OK) {
        result = archive_read_support_format_empty(archive);
    }
    if (result == ARCHIVE_OK) {
        result = archive_read_open_fd(archive, source->archive_fd, READ_BYTES);
    }
    while (status == STATUS_OK && (result == ARCHIVE_OK || result == ARCHIVE_WARN)) {
        result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_OK || result == ARCHIVE_WARN) {
            status = entry_index(source, archive, entry);
        }
    }
    if (status == STATUS_OK && result != ARCHIVE_EOF) {
        status = archive_problem(source, archive);
    }
    archive_read_free(archive);
    for (size_t i = 0; status == STATUS_OK && i < source->count; i++) {
        const struct source_file *file = &source->files[i];
        if (!range_inside(file->offset, file->size_bytes, (uint64_t)about.st_size)) {
            status = problem_set(source->problem, STATUS_CORRUPT, CUT_SHORT "it is cut short");
        }
    }
    return status;
}

/* Writes what the archive unpacks to, which may be itself, to the spool. */
static status_t unpacked_copy(struct source *source, struct archive *archive, struct spool *spool,
                              uint64_t room_bytes)
{
    const void *bytes;
    size_t length_bytes;
    la_int64_t offset;
    int result;
    while ((result = archive_read_data_block(archive, &bytes, &length_bytes, &offset)) ==
           ARCHIVE_OK) {
        if (length_bytes > room_bytes - spool->end) {
            return problem_set(source->problem, STATUS_LIMIT_REACHED,
                               "the archive is larger than the store: remove images (oak rmi)");
        }
        status_t status = spool_write(spool, spool->end, bytes, length_bytes, source->problem);
        if (status != STATUS_OK) {
            return status;
        }
        spool->end += length_bytes;
    }
    return result == ARCHIVE_EOF ? STATUS_OK : archive_problem(source, archive);
}

/* Makes archive_fd a plain archive that can be read at any place. Takes fd only on success. */
static status_t archive_unpack(struct source *source, int fd, int state_fd, uint64_t room_bytes)
{
    struct spool spool;
    struct archive_entry *entry;
    status_t status = spool_open(&spool, state_fd, source->problem);
    if (status != STATUS_OK) {
        return status;
    }
    struct archive *archive = archive_read_new();
    int result = ARCHIVE_FATAL;
    if (archive == NULL || archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
        archive_read_support_filter_bzip2(archive) != ARCHIVE_OK ||
        archive_read_support_format_raw(archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(archive) != ARCHIVE_OK ||
        archive_read_open_fd(archive, fd, READ_BYTES) != ARCHIVE_OK ||
        (result = archive_read_next_header(archive, &entry)) < ARCHIVE_WARN) {
        status = archive_problem(source, archive);
    } else if (result != ARCHIVE_EOF) {
        status = unpacked_copy(source, archive, &spool, room_bytes);
    }
    archive_read_free(archive);
    if (status != STATUS_OK) {
        spool_close(&spool);
        return status;
    }
    if (fd != STDIN_FILENO) {
        close(fd);
    }
    source->archive_fd = spool.fd;
    return STATUS_OK;
}

/* Whether the bytes at the start are those of a tar archive: "ustar" at 257. */
static bool plain_archive(int fd)
{
    char magic[5];
    return pread(fd, magic, sizeof(magic), 257) == (ssize_t)sizeof(magic) &&
           memcmp(magic, "ustar", sizeof(magic)) == 0;
}

static status_t archive_open(struct source *source, int fd, bool regular, int state_fd,
                             uint64_t room_bytes)
{
    status_t status = STATUS_OK;
    if (regular && fd != STDIN_FILENO && plain_archive(fd)) {
        source->archive_fd = fd;
    } else {
        status = archive_unpack(source, fd, state_fd, room_bytes);
        if (status != STATUS_OK && fd != STDIN_FILENO) {
            close(fd);
        }
    }
    return status == STATUS_OK ? archive_index(source) : status;
}

status_t source_open(struct source *source, const char *path, int state_fd, uint64_t room_bytes,
                     struct problem *problem)
{
    struct stat about;
    *source = (struct source){.directory_fd = -1, .archive_fd = -1, .problem = problem};
    if (path == NULL) {
        return archive_open(source, STDIN_FILENO, false, state_fd, room_bytes);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        status_t status =
            problem_set(problem, STATUS_IO_ERROR, "it cannot be opened: %s", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    if (S_ISDIR(about.st_mode)) {
        source->directory_fd = fd;
        return STATUS_OK;
    }
    return archive_open(source, fd, S_ISREG(about.st_mode), state_fd, room_bytes);
}

void source_close(struct source *source)
{
    for (size_t i = 0; i < source->count; i++) {
        free(source->files[i].name);
        free(source->files[i].target);
    }
    free(source->files);
    if (source->directory_fd >= 0) {
        close(source->directory_fd);
    }
    if (source->archive_fd >= 0) {
        close(source->archive_fd);
    }
    *source = (struct source){.directory_fd = -1, .archive_fd = -1};
}

/* The last file of that name, through links; NULL without. */
static const struct source_file *file_find(const struct source *source, const char *name)
{
    for (int links = 0; links <= LINKS_FOLLOWED; links++) {
        const struct source_file *file = NULL;
        for (size_t i = source->count; file == NULL && i > 0; i--) {
            file = strcmp(source->files[i - 1].name, name) == 0 ? &source->files[i - 1] : NULL;
        }
        if (file == NULL || file->target == NULL) {
            return file;
        }
        name = file->target;
    }
    return NULL;
}

bool source_has(const struct source *source, const char *name)
{
    return source->directory_fd >= 0 ? faccessat(source->directory_fd, name, R_OK, 0) == 0
                                     : file_find(source, name) != NULL;
}

static status_t missing(const struct source *source, const char *name)
{
    return problem_set(source->problem, STATUS_NOT_FOUND, "it lacks the file %.200s", name);
}

status_t source_file_open(const struct source *source, const char *name, struct byte_range *out)
{
    struct stat about;
    if (source->directory_fd < 0) {
        const struct source_file *file = file_find(source, name);
        if (file == NULL) {
            return missing(source, name);
        }
        *out = (struct byte_range){source->archive_fd, file->offset, file->size_bytes};
        return STATUS_OK;
    }
    int fd = openat(source->directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        return missing(source, name);
    }
    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        status_t status =
            problem_set(source->problem, STATUS_IO_ERROR, "its file %.200s cannot be read: %s",
                        name, fd < 0 ? strerror(errno) : "it is no regular file");
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    *out = (struct byte_range){fd, 0, (uint64_t)about.st_size};
    return STATUS_OK;
}

void source_file_close(const struct source *source, struct byte_range *range)
{
    if (source->directory_fd >= 0 && range->fd >= 0) {
        close(range->fd);
    }
    range->fd = -1;
}

status_t source_file_read(const struct source *source, const char *name, size_t length_max,
                          void **bytes, size_t *length_bytes)
{
    struct byte_range range;
    status_t status = source_file_open(source, name, &range);
    if (status != STATUS_OK) {
        return status;
    }
    if (range.size_bytes > length_max) {
        source_file_close(source, &range);
        return problem_set(source->problem, STATUS_TOO_LARGE,
                           "its file %.200s is larger than %zu bytes", name, length_max);
    }
    uint8_t *copy = allocate(range.size_bytes + 1);
    size_t done = 0;
    while (done < range.size_bytes) {
        ssize_t got =
            pread(range.fd, copy + done, range.size_bytes - done, (off_t)(range.offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            status =
                problem_set(source->problem, STATUS_IO_ERROR, "its file %.200s cannot be read: %s",
                            name, got < 0 ? strerror(errno) : "it is cut short");
            break;
        }
        done += (size_t)got;
    }
    source_file_close(source, &range);
    if (status != STATUS_OK) {
        free(copy);
        return status;
    }
    *bytes = copy;
    *length_bytes = done;
    return STATUS_OK;
}
