#include "host/image/test/image_make.h"

#include "host/cli/cli.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYER_BYTES_MAX (64u << 20)

/* The CLI's processes are short: what they hold to their end is not given back one by one. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static void entry_fill(struct archive_entry *entry, char kind, const char *rest, uint32_t mode)
{
    static const struct {
        char kind;
        unsigned type;
    } types[] = {{'d', AE_IFDIR}, {'f', AE_IFREG}, {'n', AE_IFREG}, {'x', AE_IFREG},
                 {'h', AE_IFREG}, {'l', AE_IFLNK}, {'c', AE_IFCHR}, {'p', AE_IFIFO}};
    unsigned type = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        type = types[i].kind == kind ? types[i].type : type;
    }
    assert(type != 0);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, mode != 0 ? mode : type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_mtime(entry, 1000000000, 0);
    archive_entry_set_uid(entry, 70000);
    archive_entry_set_gid(entry, 7);
    if (kind == 'h') {
        archive_entry_set_hardlink(entry, rest);
    } else if (kind == 'l') {
        archive_entry_set_symlink(entry, rest);
    } else if (kind == 'c') {
        archive_entry_set_rdev(entry, (dev_t)atoi(rest));
    } else if (kind == 'x') {
        archive_entry_xattr_add_entry(entry, "user.test", rest, strlen(rest));
        archive_entry_xattr_add_entry(entry, "trusted.test", rest, strlen(rest));
    } else if (kind == 'f') {
        archive_entry_set_size(entry, (la_int64_t)strlen(rest));
    } else if (kind == 'n') {
        archive_entry_set_size(entry, atoll(rest));
    }
}

static void content_write(struct archive *archive, char kind, const char *rest)
{
    if (kind == 'f') {
        archive_write_data(archive, rest, strlen(rest));
    }
    for (long done = 0, size = kind == 'n' ? atol(rest) : 0; done < size;) {
        uint8_t bytes[4096];
        long part = MIN(size - done, (long)sizeof(bytes));
        for (long i = 0; i < part; i++) {
            bytes[i] = (uint8_t)(done + i);
        }
        archive_write_data(archive, bytes, (size_t)part);
        done += part;
    }
}

static void line_write(struct archive *archive, char *line)
{
    uint32_t mode = 0;
    if (line[0] >= '0' && line[0] <= '7') {
        mode = (uint32_t)strtoul(line, &line, 8);
        line++;
    }
    char kind = line[0];
    char *path = line + 2;
    char *rest = path + strcspn(path, " ");
    if (*rest != '\0') {
        *rest++ = '\0';
    }
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    entry_fill(entry, kind, rest, mode);
    assert(archive_write_header(archive, entry) == ARCHIVE_OK);
    content_write(archive, kind, rest);
    archive_entry_free(entry);
}

void *layer_make(const char *script, size_t *length_bytes)
{
    char *bytes = allocate(LAYER_BYTES_MAX);
    char *copy = text_copy(script);
    struct archive *archive = archive_write_new();
    setlocale(LC_CTYPE, "C.UTF-8");
    assert(archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK);
    assert(archive_write_open_memory(archive, bytes, LAYER_BYTES_MAX, length_bytes) == ARCHIVE_OK);
    for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        line_write(archive, line);
    }
    assert(archive_write_close(archive) == ARCHIVE_OK);
    archive_write_free(archive);
    free(copy);
    return allocate_again(bytes, *length_bytes);
}

void fixture_open(struct fixture *fixture, uint64_t content_bytes_max)
{
    *fixture = (struct fixture){0};
    int directory_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(spool_open(&fixture->spool, directory_fd, &fixture->problem) == STATUS_OK);
    close(directory_fd);
    image_tree_init(&fixture->tree, &fixture->spool, content_bytes_max, &fixture->problem);
}

void fixture_close(struct fixture *fixture)
{
    image_tree_free(&fixture->tree);
    spool_close(&fixture->spool);
}

status_t fixture_add(struct fixture *fixture, const char *script)
{
    size_t length_bytes;
    void *bytes = layer_make(script, &length_bytes);
    status_t status = layer_merge_bytes(&fixture->tree, bytes, length_bytes, ++fixture->layers);
    free(bytes);
    return status;
}

static void inode_print(const struct fixture *fixture, const struct inode *inode, const char *path,
                        FILE *out)
{
    char content[64] = "";
    struct problem problem = {0};
    switch (inode->about.mode & S_IFMT) {
    case S_IFDIR:
        fprintf(out, "d %s", path);
        break;
    case S_IFLNK:
        fprintf(out, "l %s %s", path, inode->target);
        break;
    case S_IFREG:
        assert(spool_read(&fixture->spool, inode->spool_offset, content,
                          MIN(inode->size_bytes, sizeof(content) - 1), &problem) == STATUS_OK);
        fprintf(out, "f %s %s", path, content);
        break;
    default:
        fprintf(out, "%c %s", S_ISFIFO(inode->about.mode) ? 'p' : 'c', path);
        break;
    }
    fprintf(out, "%s\n", inode->names > 1 ? " +" : "");
}

static void directory_print(const struct fixture *fixture, const struct inode *directory,
                            const char *path, FILE *out)
{
    struct tree_node *node = tree_first(&directory->children);
    for (; node != NULL; node = tree_next(node)) {
        const struct entry *entry = entry_of(node);
        char *below = text_format("%s%s%.*s", path, path[0] != '\0' ? "/" : "",
                                  (int)entry->name_bytes, entry->name);
        inode_print(fixture, entry->inode, below, out);
        directory_print(fixture, entry->inode, below, out);
        free(below);
    }
}

char *fixture_text(const struct fixture *fixture)
{
    char *text;
    size_t length_bytes;
    FILE *out = open_memstream(&text, &length_bytes);
    assert(out != NULL);
    directory_print(fixture, fixture->tree.root, "", out);
    fclose(out);
    return text;
}
