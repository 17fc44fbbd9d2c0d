/* /etc/passwd and /etc/group as far as --user needs them; both are the image's, so not trusted. */
#include "linux/core/users.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/file.h"
#include "linux/proc/task.h"

#define FILE_MAX_BYTES (256ull << 10)
#define FIELDS_MAX     7
#define ID_NONE        UINT32_MAX

/* The whole file with a NUL behind it; NULL: there is none, or it is too large. */
static char *file_text(const char *path)
{
    struct file *file;
    if (path_open(path, O_RDONLY, 0, &file) != 0) {
        return NULL;
    }
    uint64_t size = file->path.inode->size_bytes;
    char *text = size <= FILE_MAX_BYTES ? heap_alloc(size + 1) : NULL;
    if (text != NULL && file_read_kernel(file, text, size, 0) < 0) {
        heap_free(text);
        text = NULL;
    }
    file_put(file);
    return text;
}

/* Cut the next line off and split it at colons; NULL at the end. */
static char *line_next(char **rest, char **field, uint32_t *count)
{
    char *line = *rest;
    if (line == NULL || *line == '\0') {
        return NULL;
    }
    char *end = strchr(line, '\n');
    *rest = end == NULL ? NULL : end + 1;
    if (end != NULL) {
        *end = '\0';
    }
    *count = 0;
    for (char *next = line; next != NULL && *count < FIELDS_MAX;) {
        field[(*count)++] = next;
        next = strchr(next, ':');
        if (next != NULL) {
            *next++ = '\0';
        }
    }
    return line;
}

static uint32_t id_parse(const char *text)
{
    uint64_t value = 0;
    if (*text == '\0') {
        return ID_NONE;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return ID_NONE;
        }
        value = value * 10 + (uint64_t)(*text - '0');
        if (value >= ID_NONE) {
            return ID_NONE;
        }
    }
    return (uint32_t)value;
}

struct found_user {
    uint32_t uid;
    uint32_t gid;
    char name[64];
    char *home;
};

/* By name, or by number when the name is one. */
static void passwd_find(const char *wanted, struct found_user *user)
{
    char *text = file_text("/etc/passwd");
    char *rest = text;
    char *field[FIELDS_MAX];
    uint32_t count;
    uint32_t wanted_uid = id_parse(wanted);
    while (line_next(&rest, field, &count) != NULL) {
        if (count < 6 || (strcmp(field[0], wanted) != 0 && id_parse(field[2]) != wanted_uid) ||
            id_parse(field[2]) == ID_NONE || id_parse(field[3]) == ID_NONE) {
            continue;
        }
        user->uid = id_parse(field[2]);
        user->gid = id_parse(field[3]);
        size_t length = MIN(strlen(field[0]), sizeof(user->name) - 1);
        memcpy(user->name, field[0], length);
        user->home = heap_alloc(strlen(field[5]) + 1);
        if (user->home != NULL) {
            memcpy(user->home, field[5], strlen(field[5]));
        }
        break;
    }
    heap_free(text);
}

static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (*list != '\0') {
        const char *end = strchr(list, ',');
        size_t item = end == NULL ? strlen(list) : (size_t)(end - list);
        if (item == length && memcmp(list, name, length) == 0) {
            return true;
        }
        list += item + (end != NULL ? 1 : 0);
    }
    return false;
}

/* The group's number by name, and the groups that the user is a member of; members have names. */
static uint32_t group_scan(const char *wanted, const char *user_name,
                           struct credentials *credentials)
{
    bool matters = wanted != NULL || user_name[0] != '\0';
    char *text = matters ? file_text("/etc/group") : NULL;
    char *rest = text;
    char *field[FIELDS_MAX];
    uint32_t count;
    uint32_t found = ID_NONE;
    while (line_next(&rest, field, &count) != NULL) {
        uint32_t gid = count < 3 ? ID_NONE : id_parse(field[2]);
        if (gid == ID_NONE) {
            continue;
        }
        if (wanted != NULL && strcmp(field[0], wanted) == 0 && found == ID_NONE) {
            found = gid;
        }
        if (count > 3 && user_name[0] != '\0' && list_has(field[3], user_name) &&
            credentials->group_count < GROUPS_MAX) {
            credentials->groups[credentials->group_count++] = gid;
        }
    }
    heap_free(text);
    return found;
}

long users_resolve(const char *text, struct credentials *credentials, char **home)
{
    struct found_user user = {.uid = ID_NONE, .gid = 0};
    char name[64] = "";
    const char *colon = text == NULL ? NULL : strchr(text, ':');
    const char *group = colon == NULL || colon[1] == '\0' ? NULL : colon + 1;
    size_t length = text == NULL ? 0 : colon != NULL ? (size_t)(colon - text) : strlen(text);
    if (length >= sizeof(name)) {
        return -ENOENT;
    }
    memcpy(name, length == 0 ? "0" : text, length == 0 ? 1 : length);
    passwd_find(name, &user);
    *home = user.home;
    if (user.uid == ID_NONE) {
        user.uid = id_parse(name);
    }
    uint32_t gid = group_scan(group, user.name, credentials);
    if (group == NULL) {
        gid = user.gid;
    } else if (gid == ID_NONE) {
        gid = id_parse(group);
    }
    if (user.uid == ID_NONE || gid == ID_NONE) {
        heap_free(*home);
        *home = NULL;
        return -ENOENT;
    }
    credentials->uid = credentials->euid = credentials->suid = credentials->fsuid = user.uid;
    credentials->gid = credentials->egid = credentials->sgid = credentials->fsgid = gid;
    return 0;
}
