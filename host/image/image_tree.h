/*
 * The file tree of an image while its layers are merged: in memory, except for file contents, which
 * lie in a spool. A name (struct entry) leads to an inode; hard links are names of one inode. A
 * directory has exactly one name and owns the names in it, sorted by bytes.
 *
 * Every entry knows the layer that set it, or that last set something below it: a whiteout takes
 * away only what lower layers brought.
 *
 * Invariant: an entry's layer is at least that of every entry below it.
 */
#pragma once

#include "host/image/problem.h"
#include "host/image/spool.h"
#include "lib/base/tree.h"

#define TREE_NAME_BYTES_MAX   255
#define TREE_PATH_BYTES_MAX   4096
#define TREE_DEPTH_MAX        256
#define TREE_LINK_BYTES_MAX   4095
#define TREE_LINKS_FOLLOWED   40
#define TREE_XATTR_BYTES_MAX  2048 /* all of one inode, as EROFS stores them */
#define TREE_LINK_COUNT_MAX   65535
#define TREE_ENTRIES_MAX      4000000
#define TREE_MODE_PERMISSIONS 07777u

struct inode;

struct entry {
    struct tree_node node; /* in the parent's children */
    struct inode *inode;
    uint16_t layer;
    uint16_t name_bytes;
    char name[];
};

/* What the archive says about a file. */
struct inode_about {
    uint32_t mode; /* S_IFMT and permissions */
    uint32_t uid;
    uint32_t gid;
    uint32_t mtime_nanoseconds;
    uint64_t mtime_seconds;
};

struct inode {
    struct inode_about about;
    uint32_t names;        /* entries that lead here */
    uint32_t number;       /* given by the EROFS writer; 0 before */
    uint64_t size_bytes;   /* regular file: of the content; symbolic link: of the target */
    uint64_t spool_offset; /* regular file */
    uint64_t place;        /* of the inode in the file system; the EROFS writer's */
    uint64_t data_block;   /* of its blocks; the EROFS writer's */
    char *target;          /* symbolic link */
    uint8_t *xattrs;       /* EROFS xattr entries, each padded to four bytes; may be NULL */
    uint32_t xattr_bytes;
    uint32_t subdirectories; /* directory */
    struct tree children;    /* directory */
};

struct image_tree {
    struct inode *root;
    struct spool *spool;
    uint64_t entries;
    uint64_t entries_max;
    uint64_t content_bytes; /* of all files, in whole blocks */
    uint64_t content_bytes_max;
    struct problem *problem;
};

/* An empty root directory of mode 0755. content_bytes_max: the room that the store has. */
void image_tree_init(struct image_tree *tree, struct spool *spool, uint64_t content_bytes_max,
                     struct problem *problem);
void image_tree_free(struct image_tree *tree);

/* A path within the image, looked at from its root: the directory and the last name. */
struct tree_place {
    struct inode *directory;
    const char *name; /* NULL: the path is the root itself */
    size_t name_bytes;
};

/*
 * Finds the place that a path of layer `layer` names, making parents that are not there and
 * marking them with the layer. A symbolic link on the way is followed inside the image if this
 * layer set it; one of a lower layer is hidden by the directory that the path implies, as is a
 * file. The place's name points into path. Refuses "..", and links that lead out.
 */
MUST_USE status_t image_tree_place(struct image_tree *tree, const char *path, uint16_t layer,
                                   struct tree_place *out);

/* As image_tree_place, for a path that must be there already; nothing is made or marked. */
MUST_USE status_t image_tree_find(struct image_tree *tree, const char *path, uint16_t layer,
                                  struct entry **out);

/* The entry of that name, NULL without. */
struct entry *directory_find(const struct inode *directory, const char *name, size_t name_bytes);

/*
 * Puts a new inode at the place, instead of what is there. A directory over a directory keeps the
 * names in it. The root can only be set as a directory. *out is the inode to fill.
 */
MUST_USE status_t image_tree_set(struct image_tree *tree, const struct tree_place *place,
                                 const struct inode_about *about, uint16_t layer,
                                 struct inode **out);

/* Gives an inode that is no directory another name. */
MUST_USE status_t image_tree_link(struct image_tree *tree, const struct tree_place *place,
                                  struct inode *inode, uint16_t layer);

/* Gives a regular file a content of that size, not written yet. LIMIT_REACHED: no room for it. */
MUST_USE status_t image_tree_content(struct image_tree *tree, struct inode *inode,
                                     uint64_t size_bytes);

/* Takes away what lower layers than this brought under that name. */
void image_tree_whiteout(struct image_tree *tree, struct inode *directory, const char *name,
                         size_t name_bytes, uint16_t layer);
/* The same for all names of the directory. */
void image_tree_opaque(struct image_tree *tree, struct inode *directory, uint16_t layer);

static inline struct entry *entry_of(struct tree_node *node)
{
    return node != NULL ? CONTAINER_OF(node, struct entry, node) : NULL;
}
