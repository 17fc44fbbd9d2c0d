/*
 * Directories and files are made by the inodes' own operations, below the mounts' read-only flag:
 * a read-only container, too, has its mount points and its /etc/hosts.
 */
#include "linux/core/root.h"

#include "abi/control.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/specification.h"
#include "linux/file/device.h"
#include "linux/file/file.h"
#include "linux/file/proc.h"
#include "linux/file/sys.h"
#include "linux/file/tree_fs.h"
#include "linux/file/tree_node.h"
#include "linux/tty/pty.h"

#define TMPFS_MODE  01777
#define TMPFS_COUNT 64

/*
 * What every container has mounted, made in the template: the root, whose image comes later, and
 * what stands in it. A mount stands on a directory of one that comes before it.
 */
enum prepared {
    TREE,
    DEV,
    PTS,
    SHM,
    PROC,
    SYS,
    CGROUP,
    PREPARED,
};
static struct mount prepared[PREPARED];
static struct image_tree image_tree;

static long place_mount(enum prepared which, enum prepared on, const char *name)
{
    struct inode *directory = prepared[on].root;
    struct inode *place;
    long result =
        on == TREE ? image_tree_place(&image_tree, name, &place)
                   : directory->operations->lookup(directory, name, (uint32_t)strlen(name), &place);
    if (result == 0) {
        const struct path path = {&prepared[on], place};
        mount_put_on(&prepared[which], &path);
    }
    return result;
}

static long places_mount(void)
{
    const struct path nowhere = {.inode = NULL};
    const struct path cgroup = {&prepared[SYS], cgroup_place_inode()};
    mount_put_on(&prepared[TREE], &nowhere);
    long result = place_mount(DEV, TREE, "dev");
    if (result == 0) {
        result = place_mount(PTS, DEV, "pts");
    }
    if (result == 0) {
        result = place_mount(SHM, DEV, "shm");
    }
    if (result == 0) {
        result = place_mount(PROC, TREE, "proc");
    }
    if (result == 0) {
        result = place_mount(SYS, TREE, "sys");
    }
    if (result == 0) {
        mount_put_on(&prepared[CGROUP], &cgroup);
    }
    return result;
}

long root_prepare(void)
{
    struct inode *dev;
    struct inode *shm;
    long result = dev_tree_make(&dev);
    if (result == 0) {
        result = tree_fs_empty(TMPFS_MODE, 0, &shm);
    }
    if (result != 0) {
        return result;
    }
    /* As docker mounts them. */
    const uint32_t plain = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC;
    mount_init(&prepared[TREE], "/", image_tree_begin(&image_tree, false), "overlay", "overlay",
               OVERLAYFS_MAGIC, 0);
    mount_init(&prepared[DEV], "/dev", dev, "tmpfs", "tmpfs", TMPFS_MAGIC, MOUNT_NOSUID);
    mount_init(&prepared[PTS], "/dev/pts", pts_root(), "devpts", "devpts", DEVPTS_MAGIC,
               MOUNT_NOSUID | MOUNT_NOEXEC);
    mount_init(&prepared[SHM], "/dev/shm", shm, "tmpfs", "shm", TMPFS_MAGIC, plain);
    mount_init(&prepared[PROC], "/proc", proc_root(), "proc", "proc", PROC_MAGIC, plain);
    mount_init(&prepared[SYS], "/sys", sys_root_inode(), "sysfs", "sysfs", SYSFS_MAGIC,
               MOUNT_READ_ONLY | plain);
    mount_init(&prepared[CGROUP], "/sys/fs/cgroup", cgroup_root_inode(), "cgroup2", "cgroup",
               CGROUP2_MAGIC, MOUNT_READ_ONLY | plain);
    return places_mount();
}

long root_open(bool read_only)
{
    prepared[TREE].flags |= read_only ? MOUNT_READ_ONLY : 0;
    return image_tree_open(&image_tree);
}

/* The entry of that name in the directory, made if it is missing. Puts the directory. */
static long entry_make(struct inode *directory, const char *name, uint32_t length_bytes,
                       uint32_t mode, struct inode **out)
{
    long result = directory->operations->lookup == NULL
                      ? -ENOTDIR
                      : directory->operations->lookup(directory, name, length_bytes, out);
    if (result == -ENOENT) {
        const struct creation creation = {.mode = mode};
        result = directory->operations->create(directory, name, length_bytes, &creation, out);
    }
    inode_put(directory);
    return result;
}

/*
 * The inode of an absolute path below the container's root, made with its directories if it is
 * missing. Symbolic links on the way are not followed: what the image put there is not trusted.
 */
static long path_make(const char *path, uint32_t mode, struct inode **out)
{
    struct inode *inode = mount_root_inode();
    inode_get(inode);
    while (*path == '/') {
        path++;
    }
    while (*path != '\0') {
        const char *end = strchr(path, '/');
        size_t length = end == NULL ? strlen(path) : (size_t)(end - path);
        const char *next = path + length;
        while (*next == '/') {
            next++;
        }
        bool dots = (length == 1 && path[0] == '.') || (length == 2 && memcmp(path, "..", 2) == 0);
        if (length > NAME_MAX || dots || !inode_is(inode, S_IFDIR)) {
            inode_put(inode);
            return length > NAME_MAX ? -ENAMETOOLONG : dots ? -EINVAL : -ENOTDIR;
        }
        long result = entry_make(inode, path, (uint32_t)length,
                                 *next == '\0' ? mode : S_IFDIR | 0755, &inode);
        if (result != 0) {
            return result;
        }
        path = next;
    }
    *out = inode;
    return 0;
}

static long directory_make(const char *path)
{
    struct inode *inode;
    long result = path_make(path, S_IFDIR | 0755, &inode);
    if (result == 0) {
        result = inode_is(inode, S_IFDIR) ? 0 : -ENOTDIR;
        inode_put(inode);
    }
    return result;
}

/* Replace the content of a regular file. Puts the inode. */
static long content_set(struct inode *inode, uint32_t mode, const void *bytes,
                        uint64_t length_bytes)
{
    const struct attributes attributes = {.mode = mode & 07777};
    long result =
        inode_is(inode, S_IFREG)
            ? inode->operations->set_attributes(inode, ATTRIBUTE_SIZE | ATTRIBUTE_MODE, &attributes)
            : -EINVAL;
    inode_get(inode);
    struct file *file = result == 0 ? file_new(inode, O_WRONLY, NULL, NULL) : NULL;
    if (result != 0) {
        inode_put(inode);
    } else if (file == NULL) {
        result = -ENOMEM;
    }
    if (result == 0) {
        result = inode->operations->open(inode, file);
    }
    struct io io;
    uint64_t position = 0;
    /* The buffer is only read. */
    io_init_kernel(&io, (void *)(uintptr_t)bytes, length_bytes);
    while (result == 0 && io.left_bytes > 0) {
        long written = file->operations->write(file, &io, &position);
        result = written > 0 ? 0 : written == 0 ? -EIO : written;
    }
    if (file != NULL) {
        file_put(file);
    }
    inode_put(inode);
    return result;
}

/* RECORD_FILE: PATH, MODE, DATA. */
static long file_put_record(const struct record *record)
{
    struct record_reader reader;
    struct record path = {0};
    struct record data = {0};
    struct record mode = {0};
    uint64_t bits = 0644;
    record_reader_init(&reader, record->value, record->length_bytes);
    if (record_find(&reader, RECORD_PATH, &path) != STATUS_OK) {
        return -EINVAL;
    }
    if (record_find(&reader, RECORD_MODE, &mode) == STATUS_OK &&
        record_number(&mode, &bits) != STATUS_OK) {
        return -EINVAL;
    }
    bool has_data = record_find(&reader, RECORD_DATA, &data) == STATUS_OK;
    char *text = record_text(&path);
    if (text == NULL) {
        return -EINVAL;
    }
    struct inode *inode;
    long result = path_make(text, S_IFREG | ((uint32_t)bits & 07777), &inode);
    if (result == 0) {
        result = content_set(inode, (uint32_t)bits, data.value, has_data ? data.length_bytes : 0);
    }
    heap_free(text);
    return result;
}

static const char *option_find(const char *options, const char *name)
{
    size_t length = strlen(name);
    while (options != NULL && *options != '\0') {
        if (strncmp(options, name, length) == 0) {
            return options + length;
        }
        options = strchr(options, ',');
        options = options == NULL ? NULL : options + 1;
    }
    return NULL;
}

static uint64_t size_parse(const char *text)
{
    uint64_t value = 0;
    while (*text >= '0' && *text <= '9' && value < 1ull << 50) {
        value = value * 10 + (uint64_t)(*text++ - '0');
    }
    uint32_t shift = *text == 'k' || *text == 'K'   ? 10
                     : *text == 'm' || *text == 'M' ? 20
                     : *text == 'g' || *text == 'G' ? 30
                                                    : 0;
    return value << shift;
}

static uint32_t octal_parse(const char *text)
{
    uint32_t value = 0;
    while (*text >= '0' && *text <= '7' && value < 010000) {
        value = value * 8 + (uint32_t)(*text++ - '0');
    }
    return value;
}

/* Does a word stand among the options? */
static bool option_is(const char *options, const char *word)
{
    const char *after = option_find(options, word);
    return after != NULL && (*after == ',' || *after == '\0');
}

/* docker's: nosuid, nodev and noexec unless told otherwise. */
static uint32_t tmpfs_flags(const char *options)
{
    return (option_is(options, "ro") ? MOUNT_READ_ONLY : 0) |
           (option_is(options, "suid") ? 0 : MOUNT_NOSUID) |
           (option_is(options, "dev") ? 0 : MOUNT_NODEV) |
           (option_is(options, "exec") ? 0 : MOUNT_NOEXEC);
}

/* "path[:options]" with the options size=, mode=, ro, suid, dev and exec. */
static long tmpfs_mount(const struct record *record)
{
    char *text = record_text(record);
    if (text == NULL) {
        return -EINVAL;
    }
    char *options = strchr(text, ':');
    if (options != NULL) {
        *options++ = '\0';
    }
    const char *size = option_find(options, "size=");
    const char *mode = option_find(options, "mode=");
    struct inode *root;
    long result = text[0] == '/' ? directory_make(text) : -EINVAL;
    if (result == 0) {
        result = tree_fs_empty(mode == NULL ? TMPFS_MODE : octal_parse(mode),
                               size == NULL ? 0 : size_parse(size), &root);
    }
    if (result == 0) {
        result = mount_at(text, root, "tmpfs", "tmpfs", TMPFS_MAGIC, tmpfs_flags(options));
    }
    heap_free(text);
    return result;
}

static long records_apply(const struct specification *specification, uint32_t tag,
                          long (*apply)(const struct record *))
{
    struct record_reader reader = specification->records;
    struct record record;
    uint32_t count = 0;
    while (record_next(&reader, &record) == STATUS_OK) {
        if (record.tag == tag) {
            long result = count++ < TMPFS_COUNT ? apply(&record) : -E2BIG;
            if (result != 0) {
                return result;
            }
        }
    }
    return 0;
}

long root_furnish(const struct specification *specification, const char **what)
{
    long result = 0;
    if (specification->furnishes) {
        *what = "a file of the container's";
        result = records_apply(specification, RECORD_FILE, file_put_record);
    }
    if (result == 0 && specification->furnishes) {
        *what = "a tmpfs";
        result = records_apply(specification, RECORD_TMPFS, tmpfs_mount);
    }
    if (result == 0 && specification->working_directory != NULL) {
        /* What else is there, or lies behind a link, is told when the directory is entered. */
        long ignored = directory_make(specification->working_directory);
        (void)ignored;
    }
    return result;
}
