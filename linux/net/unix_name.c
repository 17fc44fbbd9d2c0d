/*
 * Names of Unix sockets: path names, which are inodes of type socket, and abstract names, which
 * begin with a NUL and are whatever bytes follow.
 *
 * Under unix_lock: the tree of abstract names, inode->bound, and where a socket's name lies. Who
 * looks one up takes its reference there; unix_unbind has a name forgotten before the socket goes.
 */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/file/walk.h"
#include "linux/net/unix.h"

#define FAMILY_BYTES    2u
#define AUTOMATIC_BYTES 6u /* NUL and five digits */
#define AUTOMATIC_NAMES 0x100000u

/* --- abstract names -------------------------------------------------------------------------- */

/* What lies behind an address is zero, so its length decides only between equal bytes. */
static int address_compare(const struct socket_address *a, const struct socket_address *b)
{
    int order = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
    return order != 0 ? order
                      : (a->length_bytes > b->length_bytes) - (a->length_bytes < b->length_bytes);
}

static const struct socket_address *node_name(const struct tree_node *node)
{
    return &CONTAINER_OF(node, struct unix_socket, by_name)->name;
}

static int name_compare(const struct tree_node *a, const struct tree_node *b)
{
    return address_compare(node_name(a), node_name(b));
}

static struct tree abstract;

/* Under unix_lock. */
static struct unix_socket *abstract_find(const struct socket_address *name)
{
    struct tree_node *at = abstract.root;
    while (at != NULL) {
        int order = address_compare(name, node_name(at));
        if (order == 0) {
            return CONTAINER_OF(at, struct unix_socket, by_name);
        }
        at = order < 0 ? at->left : at->right;
    }
    return NULL;
}

static bool is_abstract(const struct socket_address *address)
{
    return address->length_bytes > FAMILY_BYTES && address->bytes[FAMILY_BYTES] == 0;
}

static void name_set(struct unix_socket *self, const struct socket_address *name)
{
    mutex_lock(&self->lock);
    self->name = *name;
    mutex_unlock(&self->lock);
}

static long abstract_bind(struct unix_socket *self, const struct socket_address *name)
{
    mutex_lock(&unix_lock);
    bool taken = abstract_find(name) != NULL;
    if (abstract.compare == NULL) {
        tree_init(&abstract, name_compare);
    }
    if (!taken) {
        name_set(self, name);
        tree_insert(&abstract, &self->by_name);
        self->in_names = true;
    }
    mutex_unlock(&unix_lock);
    return taken ? -EADDRINUSE : 0;
}

/* Under bind_turn. */
static long automatic_bind(struct unix_socket *self)
{
    static uint32_t last; /* atomic */
    char digits[AUTOMATIC_BYTES];
    for (uint32_t tries = 0; tries < AUTOMATIC_NAMES; tries++) {
        uint32_t number = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED) % AUTOMATIC_NAMES;
        struct socket_address name = {.family = AF_UNIX,
                                      .length_bytes = FAMILY_BYTES + AUTOMATIC_BYTES};
        (void)format_text(digits, sizeof(digits), "%05x", number);
        memcpy(name.bytes + FAMILY_BYTES + 1, digits, AUTOMATIC_BYTES - 1);
        if (abstract_bind(self, &name) == 0) {
            return 0;
        }
    }
    return -ENOSPC;
}

/* --- path names ------------------------------------------------------------------------------ */

/* With a NUL behind it: bytes of the address need not have one. */
static void path_of(const struct socket_address *address, char out[UNIX_PATH_BYTES + 1])
{
    uint32_t length_bytes = address->length_bytes - FAMILY_BYTES;
    memcpy(out, address->bytes + FAMILY_BYTES, length_bytes);
    out[length_bytes] = '\0';
}

static long place_make(const char *text, struct path *out)
{
    struct path directory = {.inode = NULL};
    struct last_name last;
    struct inode *inode = NULL;
    long result = path_find_parent(AT_FDCWD, text, &directory, &last);
    if (result == 0) {
        struct creation creation = {.mode = S_IFSOCK | mode_masked(0777)};
        result = path_create(&directory, &last, &creation, &inode);
    }
    if (result == 0) {
        *out = (struct path){directory.mount, inode};
    }
    path_put(&directory);
    return result == -EEXIST ? -EADDRINUSE : result;
}

static long path_bind(struct unix_socket *self, const struct socket_address *address)
{
    char text[UNIX_PATH_BYTES + 1];
    struct path place;
    path_of(address, text);
    long result = place_make(text, &place);
    if (result != 0) {
        return result;
    }
    /* The name has the NUL, and nothing behind it. */
    uint32_t text_bytes = (uint32_t)strlen(text) + 1;
    struct socket_address name = {.family = AF_UNIX, .length_bytes = FAMILY_BYTES + text_bytes};
    memcpy(name.bytes + FAMILY_BYTES, text, text_bytes);
    mutex_lock(&unix_lock);
    self->place = place;
    place.inode->bound = self;
    name_set(self, &name);
    mutex_unlock(&unix_lock);
    return 0;
}

/* --- for the others -------------------------------------------------------------------------- */

static long address_check(const struct socket_address *address)
{
    return address->length_bytes < FAMILY_BYTES ||
                   address->length_bytes > FAMILY_BYTES + UNIX_PATH_BYTES ||
                   address->family != AF_UNIX
               ? -EINVAL
               : 0;
}

long unix_bind(struct socket *socket, const struct socket_address *address)
{
    struct unix_socket *self = socket_unix(socket);
    long result = address_check(address);
    if (result != 0) {
        return result;
    }
    mutex_lock(&self->bind_turn);
    if (self->name.length_bytes != 0) {
        result = -EINVAL;
    } else if (address->length_bytes == FAMILY_BYTES) {
        result = automatic_bind(self);
    } else if (is_abstract(address)) {
        result = abstract_bind(self, address);
    } else {
        result = path_bind(self, address);
    }
    mutex_unlock(&self->bind_turn);
    return result;
}

long unix_bind_automatically(struct unix_socket *self)
{
    mutex_lock(&self->bind_turn);
    long result = self->name.length_bytes != 0 ? 0 : automatic_bind(self);
    mutex_unlock(&self->bind_turn);
    return result;
}

void unix_unbind(struct unix_socket *self)
{
    mutex_lock(&unix_lock);
    struct path place = self->place;
    if (place.inode != NULL) {
        place.inode->bound = NULL;
    }
    if (self->in_names) {
        tree_remove(&abstract, &self->by_name);
    }
    self->in_names = false;
    self->place.inode = NULL;
    self->socket.file = NULL;
    mutex_unlock(&unix_lock);
    path_put(&place);
}

static long path_lookup(const struct socket_address *address, struct unix_socket **out)
{
    char text[UNIX_PATH_BYTES + 1];
    struct path found = {.inode = NULL};
    path_of(address, text);
    long result = path_find(AT_FDCWD, text, 0, &found);
    if (result != 0) {
        return result;
    }
    result = inode_permission(found.inode, 2);
    if (result == 0 && !inode_is(found.inode, S_IFSOCK)) {
        result = -ECONNREFUSED;
    }
    if (result == 0) {
        mutex_lock(&unix_lock);
        *out = found.inode->bound;
        if (*out != NULL) {
            unix_get(*out);
        }
        mutex_unlock(&unix_lock);
        result = *out == NULL ? -ECONNREFUSED : 0;
    }
    path_put(&found);
    return result;
}

long unix_find(const struct socket_address *address, uint16_t type, struct unix_socket **out)
{
    struct unix_socket *found = NULL;
    long result = address_check(address);
    if (result != 0 || address->length_bytes == FAMILY_BYTES) {
        return -EINVAL;
    }
    if (is_abstract(address)) {
        mutex_lock(&unix_lock);
        found = abstract_find(address);
        if (found != NULL) {
            unix_get(found);
        }
        mutex_unlock(&unix_lock);
        result = found == NULL ? -ECONNREFUSED : 0;
    } else {
        result = path_lookup(address, &found);
    }
    if (result == 0 && found->socket.type != type) {
        unix_put(found);
        return -EPROTOTYPE;
    }
    if (result == 0) {
        *out = found;
    }
    return result;
}

long unix_name(struct socket *socket, bool of_peer, struct socket_address *out)
{
    struct unix_socket *self = socket_unix(socket);
    mutex_lock(&self->lock);
    struct unix_socket *whose = of_peer ? self->peer : self;
    if (whose != NULL) {
        unix_get(whose);
    }
    mutex_unlock(&self->lock);
    if (whose == NULL) {
        return -ENOTCONN;
    }
    mutex_lock(&whose->lock);
    *out = whose->name;
    mutex_unlock(&whose->lock);
    unix_put(whose);
    if (out->length_bytes == 0) {
        *out = (struct socket_address){.family = AF_UNIX, .length_bytes = FAMILY_BYTES};
    }
    return 0;
}
