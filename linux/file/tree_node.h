/*
 * What the parts of tree_fs share: the tree, its nodes, directory entries and the content of
 * regular files.
 *
 * Locks, in their order:
 *   content.write_lock  one writer or truncation of a file at a time. Held while user memory is
 *                       touched: handling a fault never needs it.
 *   tree_fs.lock        names: every entry, a directory's part of its node, link counts, the table
 *                       of image inodes. Held while the image pages in, never while user memory is
 *                       touched.
 *   inode.lock          content (all but write_lock), size and blocks of a regular file, and the
 *                       extended attributes of every node. Handling a
 *                       fault takes it (file_mapping, under mm->lock), so user memory is never
 *                       touched with it; who copies to or from a user holds a view's reference.
 * tree_fs.lock and inode.lock are not held together.
 */
#pragma once

#include "lib/base/tree.h"
#include "linux/file/erofs.h"
#include "linux/file/inode.h"

struct file;
struct xattr;

struct tree_fs {
    struct mutex lock;
    bool read_only;
    bool over_image;
    uint64_t limit_bytes; /* 0: none */
    uint64_t used_bytes;  /* atomic */
    uint64_t files;       /* atomic */
    uint64_t next_number; /* of inodes that are not the image's */
    struct tree by_image; /* nodes by the number of their image inode */
    struct node *root;
};

/* A kernel memory that content lies in; destroyed with the last view. */
struct backing {
    uint32_t references; /* atomic */
    uint32_t slot;
    uint64_t size_bytes;
};

/* The first part of a backing, mapped into the window. */
struct view {
    uint32_t references; /* atomic */
    struct backing *backing;
    uint8_t *address;
    uint64_t size_bytes;
};

enum content_kind {
    CONTENT_SMALL, /* a block of the heap, or nothing; beyond its end are zeros */
    CONTENT_IMAGE,
    CONTENT_MEMORY,
};

struct content {
    struct mutex write_lock;
    enum content_kind kind;
    bool image_mapped;     /* mappings may show the image's pages, also after copy-up */
    bool stores_elsewhere; /* shared mappings may fill pages that `present` does not know */
    uint8_t *small;
    uint64_t small_bytes;
    struct view *view; /* CONTENT_MEMORY */
    uint64_t *present; /* a bit for each page that is there */
    uint64_t present_pages;
    uint64_t charged_bytes; /* to the tree */
};

/* A name in a directory. */
struct entry {
    struct tree_node by_name;
    struct tree_node by_order; /* not of whiteouts */
    uint64_t order;            /* rises with each new name; the cursor of a listing */
    struct node *node;         /* a reference; NULL: not made yet, or a whiteout */
    uint64_t image_number;     /* of the inode to make; NO_IMAGE: none */
    uint8_t image_type;        /* as the image's directory says, for listings */
    bool in_image;             /* without this entry, the image's would show */
    uint32_t length_bytes;
    char name[];
};

#define NO_IMAGE UINT64_MAX

struct directory {
    struct tree by_name;
    struct tree by_order;
    uint64_t next_order;
    uint64_t count; /* names that are no whiteouts */
    bool complete;  /* the image has no further names */
    bool removed;
    struct node *parent; /* NULL: the root; a reference only when this one is removed */
    struct entry *entry; /* its name there */
};

struct node {
    struct inode inode;
    struct tree_fs *tree;
    bool from_image;
    bool in_table;
    bool xattrs_read; /* from the image */
    bool linkable;    /* without a name, but it may get one */
    struct xattr *xattrs;
    struct tree_node by_image;
    struct erofs_inode image;
    union {
        struct directory directory;
        struct content content;
        char *target; /* of a symbolic link that is not the image's */
    };
};

#define PLACES_MAX       3
#define PLACE_NAME_BYTES 8

/* The tree over an image and what a start writes of it, in one piece. */
struct image_tree {
    struct tree_fs tree;
    struct node root;
    uint32_t places;
    _Alignas(struct entry) uint8_t place[PLACES_MAX][sizeof(struct entry) + PLACE_NAME_BYTES];
};

static inline struct node *inode_node(const struct inode *inode)
{
    return CONTAINER_OF(inode, struct node, inode);
}

/* --- tree_node.c: making and releasing nodes; times and attributes */

extern const struct inode_operations tree_operations;

int64_t tree_now(void);
/* The file's content or names changed now. */
void node_touch(struct node *node, int64_t now);

/* A node that is not the image's, with one reference. NULL: no memory. */
struct node *node_new(struct tree_fs *tree, const struct creation *creation, uint64_t number);
/* The node of an image inode, made when it is first wanted; with one reference. Under the tree's
 * lock. */
long node_of_image(struct tree_fs *tree, uint64_t image_number, struct node **out);
/* The tree's root is that image inode; its directory was begun. */
long root_of_image(struct tree_fs *tree, uint64_t image_number);
/* A node of the caller's memory, with one reference. */
void node_begin(struct node *node, struct tree_fs *tree);
/* One name less; the references that go with it are dropped by the caller: see tree_node.c. */
struct node *node_unlinked(struct node *node, int64_t now);
void node_release(struct inode *inode);
long node_set_attributes(struct inode *inode, uint32_t mask, const struct attributes *attributes);
long node_readlink(struct inode *link, char *out, uint32_t capacity_bytes);

/* --- tree_directory.c: entries. All under the tree's lock. */

void directory_init(struct directory *directory, bool complete);
void directory_free(struct directory *directory);
/* The entry of that name, whose node need not be made; -ENOENT also for a whiteout. */
long entry_find(struct node *parent, const char *name, uint32_t length_bytes, struct entry **out);
/* The entry's node; no reference. */
long entry_node(struct node *parent, struct entry *entry, struct node **out);
/* A place for a name that is not there: a whiteout, or a new entry without a node that does not
 * count until entry_fill; entry_drop undoes it. NULL: no memory. */
struct entry *entry_reserve(struct node *parent, const char *name, uint32_t length_bytes);
/* An entry of the caller's memory, as entry_reserve makes one. */
void entry_begin(struct directory *directory, struct entry *entry, const char *name,
                 uint32_t length_bytes);
/* Takes over the reference to the node. */
void entry_fill(struct node *parent, struct entry *entry, struct node *node);
/* Takes the name away; the entry's reference to its node goes to the caller. */
void entry_drop(struct node *parent, struct entry *entry);
/* Read all names of the image. */
long directory_complete(struct node *directory);
long directory_is_empty(struct node *directory, bool *empty);
long directory_list(struct inode *inode, uint64_t cursor, list_emit emit, void *context);

/* --- tree_xattr.c */
void node_xattrs_free(struct node *node);
long node_xattr_get(struct inode *inode, const char *name, void *value, uint32_t capacity_bytes);
long node_xattr_set(struct inode *inode, const char *name, const void *value, uint32_t value_bytes,
                    uint32_t flags);
long node_xattr_remove(struct inode *inode, const char *name);
long node_xattr_list(struct inode *inode, char *out, uint32_t capacity_bytes);

/* --- tree_rename.c */
long tree_rename(struct inode *from, const char *from_name, uint32_t from_bytes, struct inode *to,
                 const char *to_name, uint32_t to_bytes, uint32_t flags);

/* --- tree_content.c: under inode.lock unless it says otherwise. */

#define CONTENT_BYTES_MAX (64ull << 30)
#define CONTENT_SMALL_MAX 2016u /* the heap's largest block that is less than a page */

/* The last reference to the node is gone. */
void content_free(struct node *node);
/* Store our own bytes: 0, -ENOSPC, -ENOMEM. The size does not change. */
long content_store(struct node *node, uint64_t offset, const void *from, uint64_t length_bytes);
/* Make the pages of a range be there, to be written through the view, which gets a reference. */
long content_reserve(struct node *node, uint64_t offset, uint64_t length_bytes, struct view **out);
/* Zero what a broken-off write left beyond the size. */
void content_zero(struct node *node, uint64_t offset, uint64_t length_bytes);
/* How many bytes from the offset on are alike: there (in *out, with a reference) or a hole (*out
 * NULL). Only CONTENT_MEMORY. */
long content_run(struct node *node, uint64_t offset, uint64_t length_bytes, struct view **out,
                 uint64_t *run_bytes);
/* Into a memory that never moves, for mappings. */
long content_settle(struct node *node);
/* Also under write_lock. */
long content_resize(struct node *node, uint64_t size_bytes);
/* Zero a range within the size, and give its whole pages back. Also under write_lock. */
long content_punch(struct node *node, uint64_t offset, uint64_t length_bytes);
/* Where, from the offset on, data or a hole begins; the size when there is none. */
uint64_t content_find(const struct node *node, uint64_t offset, bool data);
/* Without a lock. */
void view_put(struct view *view);

/* --- tree_file.c: open regular files */
long tree_file_open(struct inode *inode, struct file *file);
long tree_file_punch(struct inode *inode, uint64_t offset, uint64_t length_bytes);
long tree_file_seal(struct inode *inode, uint32_t seals);
