/*
 * Shared memory segments (shmget(2), shmop(2)): files of memory (linux/file/memfd.h) that mappings
 * show.
 *
 * Owns: struct segment, referred to by the table until IPC_RMID and by each of its two open files,
 * one to store and one only to read, until it is closed. The table's share of each file is dropped
 * by IPC_RMID; mappings keep them open, so memory lives until the last detaches. A removed segment
 * that somebody is attached to is still found by its number, as on Linux.
 *
 * How many are attached is not counted: who asks looks (mm_file_attached), without the lock.
 */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/file.h"
#include "linux/file/memfd.h"
#include "linux/file/proc_entry.h"
#include "linux/file/tree_fs.h"
#include "linux/ipc/ipc.h"
#include "linux/mm/area.h"
#include "linux/proc/task.h"

#define SHM_RDONLY 010000u
#define SHM_RND    020000u
#define SHM_REMAP  040000u
#define SHM_EXEC   0100000u
#define SHM_HUGE   04000u

#define SHM_LOCK     11
#define SHM_UNLOCK   12
#define SHM_STAT     13
#define SHM_INFO     14
#define SHM_STAT_ANY 15

#define SHM_DEST   01000u /* of the mode that IPC_STAT shows */
#define SHM_LOCKED 02000u

#define SEGMENT_BYTES_MAX (64ull << 30) /* of a file of memory */

enum {
    STORES,
    READS,
    FILES
};

struct segment {
    struct ipc_object object;
    struct file *file[FILES];
    bool destroyed; /* IPC_RMID: it goes with its last mapping */
    uint64_t size_bytes;
    int64_t attach_s, detach_s, change_s;
    int creator_pid, last_pid;
};

static void segment_free(struct ipc_object *object)
{
    heap_free(CONTAINER_OF(object, struct segment, object));
}

static struct ipc_table segments = {.free = segment_free};

static struct segment *segment_of(struct ipc_object *object)
{
    return CONTAINER_OF(object, struct segment, object);
}

/* --- files ------------------------------------------------------------------------------------ */

/* The last mapping or the table's share of one of the two files is gone. */
static void segment_release(struct file *file)
{
    struct segment *segment = file->data;
    mutex_lock(&segments.lock);
    segment->file[file_writable(file) ? STORES : READS] = NULL;
    if (segment->file[STORES] == NULL && segment->file[READS] == NULL) {
        ipc_remove(&segments, &segment->object);
    }
    ipc_put(&segments, &segment->object);
    mutex_unlock(&segments.lock);
}

/* Segments are mapped and nothing else. */
static const struct file_operations segment_operations = {
    .mapping = tree_file_mapping,
    .release = segment_release,
};

static bool is_segment(const struct file *file)
{
    return file != NULL && file->operations == &segment_operations;
}

/* Both files of a new segment, whose references they are. */
static long files_make(struct segment *segment)
{
    char name[32];
    format_text(name, sizeof(name), "SYSV%08x", (uint32_t)segment->object.key);
    struct file *file[FILES] = {NULL, NULL};
    long result = memfd_pair(name, segment->size_bytes, segment->object.mode, file);
    if (result != 0) {
        return result;
    }
    for (int i = 0; i < FILES; i++) {
        file[i]->operations = &segment_operations;
        file[i]->data = segment;
        segment->file[i] = file[i];
        segment->object.references++;
    }
    return 0;
}

/* A reference, unless the file is just being closed. Under the lock. */
static struct file *file_try_get(struct file *file)
{
    uint32_t references = file == NULL ? 0 : __atomic_load_n(&file->references, __ATOMIC_RELAXED);
    while (references != 0) {
        if (__atomic_compare_exchange_n(&file->references, &references, references + 1, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return file;
        }
    }
    return NULL;
}

/* --- shmget ----------------------------------------------------------------------------------- */

/* Under the lock. */
static long get_existing(const struct segment *segment, uint64_t size_bytes, uint32_t flags)
{
    long result = ipc_get_existing(&segment->object, flags);
    return result >= 0 && size_bytes > segment->size_bytes ? -EINVAL : result;
}

static long segment_make(int32_t key, uint64_t size_bytes, uint32_t flags)
{
    if (size_bytes == 0 || size_bytes > SEGMENT_BYTES_MAX || (flags & SHM_HUGE)) {
        return -EINVAL;
    }
    struct segment *segment = heap_alloc(sizeof(*segment));
    if (segment == NULL) {
        return -ENOMEM;
    }
    segment->size_bytes = size_bytes;
    segment->creator_pid = task_current()->group->pid;
    segment->change_s = ipc_now_s();
    segment->object.key = key;
    segment->object.mode = flags & 0777;
    segment->object.references = 1; /* ours, until the table has it */
    long result = files_make(segment);
    if (result != 0) {
        heap_free(segment);
        return result;
    }
    mutex_lock(&segments.lock);
    struct ipc_object *other = key == IPC_PRIVATE ? NULL : ipc_find_key(&segments, key);
    result = other != NULL ? get_existing(segment_of(other), size_bytes, flags)
                           : ipc_enter(&segments, &segment->object, key, flags);
    bool entered = other == NULL && result >= 0;
    segment->object.references = FILES + 1;
    segment->object.removed = !entered;
    mutex_unlock(&segments.lock);
    if (!entered) {
        file_put(segment->file[STORES]);
        file_put(segment->file[READS]);
        mutex_lock(&segments.lock);
        ipc_put(&segments, &segment->object);
        mutex_unlock(&segments.lock);
    }
    return result;
}

long linux_shmget(uint64_t key, uint64_t size_bytes, uint64_t flags, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)d, (void)e, (void)f;
    long result = -ENOENT;
    if ((int32_t)key != IPC_PRIVATE) {
        mutex_lock(&segments.lock);
        struct ipc_object *object = ipc_find_key(&segments, (int32_t)key);
        if (object != NULL) {
            result = get_existing(segment_of(object), size_bytes, (uint32_t)flags);
        }
        mutex_unlock(&segments.lock);
        if (object != NULL || !(flags & IPC_CREAT)) {
            return result;
        }
    }
    return segment_make((int32_t)key, size_bytes, (uint32_t)flags);
}

/* --- shmat and shmdt -------------------------------------------------------------------------- */

/* The file to attach by, with a reference. */
static long attach_file(int32_t id, uint32_t flags, struct file **out, uint64_t *size_bytes)
{
    bool reads = flags & SHM_RDONLY;
    uint32_t wanted = IPC_READ | (reads ? 0 : IPC_WRITE) | (flags & SHM_EXEC ? 1u : 0);
    struct ipc_object *object;
    long result = ipc_begin(&segments, id, wanted, &object);
    if (result != 0) {
        return result;
    }
    struct segment *segment = segment_of(object);
    *out = file_try_get(segment->file[reads ? READS : STORES]);
    *size_bytes = segment->size_bytes;
    mutex_unlock(&segments.lock);
    return *out == NULL ? -EIDRM : 0;
}

static void attached(struct segment *segment, bool detached)
{
    mutex_lock(&segments.lock);
    segment->last_pid = task_current()->group->pid;
    if (detached) {
        segment->detach_s = ipc_now_s();
    } else {
        segment->attach_s = ipc_now_s();
    }
    mutex_unlock(&segments.lock);
}

long linux_shmat(uint64_t id, uint64_t address, uint64_t user_flags, uint64_t d, uint64_t e,
                 uint64_t f)
{
    (void)d, (void)e, (void)f;
    uint32_t flags = (uint32_t)user_flags;
    uint32_t map_flags = MAP_SHARED;
    struct file *file;
    uint64_t size_bytes;
    if ((int32_t)id < 0) {
        return -EINVAL;
    }
    if (address % PAGE_SIZE != 0 && !(flags & SHM_RND)) {
        return -EINVAL;
    }
    address = ALIGN_DOWN(address, PAGE_SIZE);
    if (address == 0 && (flags & SHM_REMAP)) {
        return -EINVAL;
    }
    if (address != 0) {
        map_flags |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    }
    long result = attach_file((int32_t)id, flags, &file, &size_bytes);
    if (result != 0) {
        return result;
    }
    uint32_t protection =
        PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
    result =
        user_range(address, ALIGN_UP(size_bytes, PAGE_SIZE))
            ? mm_map(task_current()->mm, address, size_bytes, protection, map_flags, file, 0, NULL)
            : -EINVAL;
    if (result >= 0) {
        attached(file->data, false);
    }
    file_put(file);
    return result == -EEXIST ? -EINVAL : result;
}

/* The attachment that begins at the address: its file, with a reference; NULL: none does. */
static struct file *attachment_file(struct mm *mm, uint64_t address)
{
    struct file *file = NULL;
    mutex_lock(&mm->lock);
    const struct vm_area *area = mm_area_from(mm, address);
    if (area != NULL && area->start == address && area->offset == 0 && is_segment(area->file)) {
        file = area->file;
        file_get(file);
    }
    mutex_unlock(&mm->lock);
    return file;
}

/* How far the next piece of the attachment reaches; 0: there is none at the address. */
static uint64_t piece_end(struct mm *mm, uint64_t start, uint64_t address, const struct file *file)
{
    mutex_lock(&mm->lock);
    const struct vm_area *area = mm_area_from(mm, address);
    bool ours = area != NULL && area->start == address && area->file == file &&
                area->offset == address - start;
    uint64_t end = ours ? area->end : 0;
    mutex_unlock(&mm->lock);
    return end;
}

long linux_shmdt(uint64_t address, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    struct file *file = address % PAGE_SIZE == 0 ? attachment_file(mm, address) : NULL;
    if (file == NULL) {
        return -EINVAL;
    }
    uint64_t at = address;
    uint64_t end;
    long result = 0;
    /* mprotect may have cut it into pieces. */
    while (result == 0 && (end = piece_end(mm, address, at, file)) != 0) {
        result = mm_unmap(mm, at, end - at);
        at = end;
    }
    attached(file->data, true);
    file_put(file);
    return result;
}

/* --- shmctl ----------------------------------------------------------------------------------- */

struct user_segment { /* struct shmid64_ds */
    struct ipc_user_permission permission;
    uint64_t size_bytes;
    int64_t attach_s, detach_s, change_s;
    int32_t creator_pid, last_pid;
    uint64_t attached;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct user_segment) == 112, "struct shmid64_ds");

struct user_limits { /* struct shminfo64 */
    uint64_t bytes_max, bytes_min, segments_max, per_process_max, pages_max, unused[4];
};

struct user_totals { /* struct shm_info */
    int32_t used_ids;
    uint64_t total_pages, resident_pages, swapped_pages, swap_attempts, swap_successes;
};

/* Fill all but how many are attached. Under the lock. */
static void segment_fill(const struct segment *segment, struct user_segment *out)
{
    *out = (struct user_segment){
        .size_bytes = segment->size_bytes,
        .attach_s = segment->attach_s,
        .detach_s = segment->detach_s,
        .change_s = segment->change_s,
        .creator_pid = segment->creator_pid,
        .last_pid = segment->last_pid,
    };
    ipc_permission_fill(&segment->object, &out->permission);
    out->permission.mode |= segment->destroyed ? SHM_DEST : 0;
}

/* One that is looked at without the lock: a reference to it and to its files' inode. */
static uint64_t attached_count(struct segment *segment)
{
    uint64_t count = 0;
    for (int i = 0; i < FILES; i++) {
        mutex_lock(&segments.lock);
        struct file *file = file_try_get(segment->file[i]);
        mutex_unlock(&segments.lock);
        if (file != NULL) {
            count += mm_file_attached(file);
            file_put(file);
        }
    }
    return count;
}

static long segment_stat(int32_t number, enum ipc_look look, uint64_t user_out)
{
    struct user_segment out;
    struct ipc_object *object;
    long result = ipc_begin_look(&segments, number, look, &object);
    if (result != 0) {
        return result;
    }
    segment_fill(segment_of(object), &out);
    int32_t id = object->id;
    object->references++;
    mutex_unlock(&segments.lock);
    out.attached = attached_count(segment_of(object));
    mutex_lock(&segments.lock);
    ipc_put(&segments, object);
    mutex_unlock(&segments.lock);
    if (copy_to_user(user_out, &out, sizeof(out)) != 0) {
        return -EFAULT;
    }
    return look == IPC_LOOK_NUMBER ? 0 : id;
}

static long segment_remove(int32_t id)
{
    struct ipc_object *object;
    struct file *put[FILES] = {NULL, NULL};
    long result = ipc_begin_control(&segments, id, &object);
    if (result != 0) {
        return result;
    }
    struct segment *segment = segment_of(object);
    if (!segment->destroyed) {
        segment->destroyed = true;
        object->key = IPC_PRIVATE;
        memcpy(put, segment->file, sizeof(put));
    }
    mutex_unlock(&segments.lock);
    for (int i = 0; i < FILES; i++) {
        if (put[i] != NULL) {
            file_put(put[i]); /* the table's share; the last one calls segment_release */
        }
    }
    return 0;
}

static long segment_set(int32_t id, uint64_t user_in)
{
    struct user_segment in;
    struct ipc_object *object;
    if (copy_from_user(&in, user_in, sizeof(in)) != 0) {
        return -EFAULT;
    }
    long result = ipc_begin_control(&segments, id, &object);
    if (result == 0) {
        ipc_permission_set(object, &in.permission);
        segment_of(object)->change_s = ipc_now_s();
        mutex_unlock(&segments.lock);
    }
    return result;
}

/* Nothing is swapped: locking pages is only data. */
static long segment_lock(int32_t id, bool lock)
{
    struct ipc_object *object;
    long result = ipc_begin_control(&segments, id, &object);
    if (result == 0) {
        object->mode = (object->mode & ~SHM_LOCKED) | (lock ? SHM_LOCKED : 0);
        mutex_unlock(&segments.lock);
    }
    return result;
}

static long limits_put(uint64_t user_out)
{
    const struct user_limits limits = {.bytes_max = SEGMENT_BYTES_MAX,
                                       .bytes_min = 1,
                                       .segments_max = IPC_MAX,
                                       .per_process_max = IPC_MAX,
                                       .pages_max = SEGMENT_BYTES_MAX / PAGE_SIZE};
    mutex_lock(&segments.lock);
    long highest = ipc_highest(&segments);
    mutex_unlock(&segments.lock);
    return copy_to_user(user_out, &limits, sizeof(limits)) != 0 ? -EFAULT : highest;
}

static long totals_put(uint64_t user_out)
{
    struct user_totals totals = {.used_ids = 0};
    mutex_lock(&segments.lock);
    totals.used_ids = (int32_t)segments.count;
    for (uint32_t i = 0; i < segments.end; i++) {
        if (segments.place[i] != NULL) {
            totals.total_pages +=
                ALIGN_UP(segment_of(segments.place[i])->size_bytes, PAGE_SIZE) / PAGE_SIZE;
        }
    }
    long highest = ipc_highest(&segments);
    mutex_unlock(&segments.lock);
    return copy_to_user(user_out, &totals, sizeof(totals)) != 0 ? -EFAULT : highest;
}

long linux_shmctl(uint64_t id, uint64_t command, uint64_t user_buffer, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)d, (void)e, (void)f;
    if ((int32_t)id < 0 || (int32_t)command < 0) {
        return -EINVAL;
    }
    switch ((uint32_t)command) {
    case IPC_RMID:
        return segment_remove((int32_t)id);
    case IPC_SET:
        return segment_set((int32_t)id, user_buffer);
    case IPC_STAT:
        return segment_stat((int32_t)id, IPC_LOOK_NUMBER, user_buffer);
    case SHM_STAT:
        return segment_stat((int32_t)id, IPC_LOOK_INDEX, user_buffer);
    case SHM_STAT_ANY:
        return segment_stat((int32_t)id, IPC_LOOK_INDEX_ANY, user_buffer);
    case SHM_LOCK:
    case SHM_UNLOCK:
        return segment_lock((int32_t)id, command == SHM_LOCK);
    case IPC_INFO:
        return limits_put(user_buffer);
    case SHM_INFO:
        return totals_put(user_buffer);
    default:
        return -EINVAL;
    }
}

/* --- /proc/sysvipc/shm ------------------------------------------------------------------------ */

void shm_list(struct proc_text *text)
{
    proc_put(text,
             "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  "
             "cuid  cgid      atime      dtime      ctime                   rss               "
             "   swap\n");
    for (int32_t i = 0; i < IPC_MAX; i++) {
        struct user_segment now;
        struct ipc_object *object;
        mutex_lock(&segments.lock);
        bool there = ipc_find_index(&segments, i, &object) == 0;
        bool over = (uint32_t)i >= segments.end;
        int32_t id = 0;
        if (there) {
            segment_fill(segment_of(object), &now);
            id = object->id;
            object->references++;
        }
        mutex_unlock(&segments.lock);
        if (over) {
            break;
        }
        if (!there) {
            continue;
        }
        uint64_t attachments = attached_count(segment_of(object));
        mutex_lock(&segments.lock);
        ipc_put(&segments, object);
        mutex_unlock(&segments.lock);
        const struct ipc_user_permission *permission = &now.permission;
        proc_put(text, "%10d %10d  %4u %21lu %5d %5d  %5lu %5u %5u %5u %5u ", permission->key, id,
                 ipc_octal(permission->mode), now.size_bytes, now.creator_pid, now.last_pid,
                 attachments, permission->uid, permission->gid, permission->creator_uid,
                 permission->creator_gid);
        proc_put(text, "%10lu %10lu %10lu %21lu %21lu\n", (uint64_t)now.attach_s,
                 (uint64_t)now.detach_s, (uint64_t)now.change_s, 0ul, 0ul);
    }
}
