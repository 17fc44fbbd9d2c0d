#include "host/cli/copy.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 256

/* An entry's place: the open directory that holds it, and its name there. */
struct place {
    int parent_fd;
    char name[NAME_MAX + 1];
};

static status_t problem_set(struct tree *tree, const char *what, const char *path)
{
    snprintf(tree->problem, sizeof(tree->problem), "%s: %.180s", what, path);
    return STATUS_NOT_PERMITTED;
}

static status_t problem_errno(struct tree *tree, const char *path)
{
    snprintf(tree->problem, sizeof(tree->problem), "%.180s: %s", path, strerror(errno));
    return STATUS_IO_ERROR;
}

/* Goes one directory down, making it if it is not there; never through a symbolic link. */
static int directory_enter(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && mkdirat(parent_fd, name, 0755) == 0) {
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    return fd;
}

/* The next component of *path that is not "." or empty; its length, 0 at the end. */
static size_t component_next(const char **path)
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t length = strcspn(*path, "/");
        if (length != 1 || (*path)[0] != '.') {
            return length;
        }
        *path += 1;
    }
}

/*
 * Walks to the entry's place. NOT_FOUND when it is the top directory itself and that has no name.
 * The caller closes parent_fd.
 */
static status_t place_find(struct tree *tree, const char *entry, struct place *out)
{
    const char *path = entry;
    int fd = dup(tree->directory_fd);
    status_t status = fd >= 0 ? STATUS_OK : problem_errno(tree, entry);
    if (status == STATUS_OK && entry[0] == '/') {
        status = problem_set(tree, "the archive has an absolute name", entry);
    }
    out->name[0] = '\0';
    for (int depth = 0; status == STATUS_OK; depth++) {
        size_t length = component_next(&path);
        if (length == 0) {
            break;
        }
        bool parent = length == 2 && strncmp(path, "..", 2) == 0;
        if (parent || length > NAME_MAX || depth > DEPTH_MAX) {
            status = problem_set(tree, "the archive has a name that leads outside", entry);
            break;
        }
        const char *name = depth == 0 ? tree->top : path;
        size_t name_length = depth == 0 && name != NULL ? strlen(name) : length;
        if (out->name[0] != '\0') {
            int next_fd = directory_enter(fd, out->name);
            status = next_fd >= 0 ? STATUS_OK : problem_errno(tree, entry);
            close(fd);
            fd = next_fd;
        }
        if (name != NULL) {
            snprintf(out->name, sizeof(out->name), "%.*s", (int)name_length, name);
        }
        path += length;
    }
    if (status == STATUS_OK && out->name[0] == '\0') {
        status = STATUS_NOT_FOUND;
    }
    if (status != STATUS_OK && fd >= 0) {
        close(fd);
    }
    out->parent_fd = fd;
    return status;
}

static status_t file_write(struct tree *tree, struct archive *archive, struct archive_entry *entry,
                           const struct place *place)
{
    const char *name = archive_entry_pathname(entry);
    mode_t mode = archive_entry_perm(entry) & 0777;
    unlinkat(place->parent_fd, place->name, 0);
    int fd = openat(place->parent_fd, place->name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return problem_errno(tree, name);
    }
    status_t status = STATUS_OK;
    if (archive_read_data_into_fd(archive, fd) != ARCHIVE_OK) {
        status = problem_set(tree, "cannot read from the archive", name);
    } else if (fchmod(fd, mode) != 0) {
        status = problem_errno(tree, name);
    }
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = archive_entry_mtime(entry)}};
    if (archive_entry_mtime_is_set(entry) && futimens(fd, times) != 0 && status == STATUS_OK) {
        status = problem_errno(tree, name);
    }
    if (close(fd) != 0 && status == STATUS_OK) {
        status = problem_errno(tree, name);
    }
    return status;
}

/* Keeps the directory writable for us; what is in it comes after it. */
static status_t directory_write(struct tree *tree, struct archive_entry *entry,
                                const struct place *place)
{
    int fd = directory_enter(place->parent_fd, place->name);
    if (fd < 0 || fchmod(fd, (archive_entry_perm(entry) & 0777) | 0700) != 0) {
        status_t status = problem_errno(tree, archive_entry_pathname(entry));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    close(fd);
    return STATUS_OK;
}

static status_t link_write(struct tree *tree, struct archive_entry *entry,
                           const struct place *place)
{
    struct place old;
    status_t status = place_find(tree, archive_entry_hardlink(entry), &old);
    if (status != STATUS_OK) {
        return problem_set(tree, "the archive has a link that leads outside",
                           archive_entry_pathname(entry));
    }
    struct stat about;
    bool good = fstatat(old.parent_fd, old.name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(about.st_mode);
    unlinkat(place->parent_fd, place->name, 0);
    if (!good || linkat(old.parent_fd, old.name, place->parent_fd, place->name, 0) != 0) {
        status = problem_set(tree, "the archive has a link to what is no file of it",
                             archive_entry_pathname(entry));
    }
    close(old.parent_fd);
    return status;
}

static status_t symlink_write(struct tree *tree, struct archive_entry *entry,
                              const struct place *place)
{
    unlinkat(place->parent_fd, place->name, 0);
    if (symlinkat(archive_entry_symlink(entry), place->parent_fd, place->name) != 0) {
        return problem_errno(tree, archive_entry_pathname(entry));
    }
    return STATUS_OK;
}

static status_t entry_write(struct tree *tree, struct archive *archive, struct archive_entry *entry)
{
    struct place place;
    const char *name = archive_entry_pathname(entry);
    if (name == NULL) {
        return problem_set(tree, "the archive has an entry without a name", "");
    }
    status_t status = place_find(tree, name, &place);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (archive_entry_hardlink(entry) != NULL) {
        status = link_write(tree, entry, &place);
    } else if (archive_entry_filetype(entry) == AE_IFREG) {
        status = file_write(tree, archive, entry, &place);
    } else if (archive_entry_filetype(entry) == AE_IFDIR) {
        status = directory_write(tree, entry, &place);
    } else if (archive_entry_filetype(entry) == AE_IFLNK && archive_entry_symlink(entry) != NULL) {
        status = symlink_write(tree, entry, &place);
    } else {
        tree->refused++;
    }
    close(place.parent_fd);
    return status;
}

status_t tree_write(struct tree *tree, struct archive *archive)
{
    struct archive_entry *entry;
    int result;
    while ((result = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
           result == ARCHIVE_WARN) {
        status_t status = entry_write(tree, archive, entry);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (result != ARCHIVE_EOF) {
        const char *why = archive_error_string(archive);
        return problem_set(tree, "the archive is damaged", why != NULL ? why : "");
    }
    return STATUS_OK;
}
