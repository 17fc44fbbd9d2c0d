/* What /proc/net tells of the container's sockets. */
#include "linux/file/file.h"
#include "linux/file/proc_entry.h"
#include "linux/net/unix.h"

#define STATE_UNCONNECTED 1 /* enum socket_state of Linux */
#define STATE_CONNECTED   3
#define FLAG_LISTENS      0x10000u

/* Under unix_lock. A name's bytes that are no text show as '@', as its first NUL does. */
static void unix_line(struct proc_text *text, struct unix_socket *self)
{
    mutex_lock(&self->lock);
    struct socket_address name = self->name;
    bool listens = self->state == UNIX_LISTENING;
    uint32_t state = self->state == UNIX_CONNECTED ? STATE_CONNECTED : STATE_UNCONNECTED;
    mutex_unlock(&self->lock);
    const struct file *file = self->socket.file;
    proc_put(text, "0000000000000000: %08x 00000000 %08x %04x %02x %5lu",
             __atomic_load_n(&self->socket.references, __ATOMIC_RELAXED),
             listens ? FLAG_LISTENS : 0, self->socket.type, state,
             (unsigned long)(file == NULL ? 0 : file->path.inode->number));
    uint32_t end = name.length_bytes;
    if (end > 2) {
        bool is_path = name.bytes[2] != 0;
        proc_put(text, " ");
        for (uint32_t i = 2; i < end - is_path; i++) {
            char letter = name.bytes[i] == 0 ? '@' : (char)name.bytes[i];
            proc_put_bytes(text, &letter, 1);
        }
    }
    proc_put(text, "\n");
}

static long make_unix(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    mutex_lock(&unix_lock);
    for (struct unix_socket *self = unix_sockets; self != NULL && !text->failed;
         self = self->next) {
        unix_line(text, self);
    }
    mutex_unlock(&unix_lock);
    return 0;
}

const struct proc_entry proc_net_entries[PROC_NET_ENTRIES] = {
    {.name = "unix", .mode = S_IFREG | 0444, .make = make_unix},
};
