/* Descriptor tables: small numbers for open files. Counted; shared by threads. */
#pragma once

#include "linux/core/lock.h"

struct file;

#define DESCRIPTORS_MAX 65536

struct file_table; /* descriptor.c */

struct file_table *file_table_new(void);
struct file_table *file_table_clone(struct file_table *table);
/* Give the current task a table of its own. */
long file_table_unshare(void);
void file_table_get(struct file_table *table);
/* Whether nobody else has a reference. */
bool file_table_is_sole(const struct file_table *table);
/* The last one closes all files. */
void file_table_put(struct file_table *table);

/* Of the current task, with a reference; NULL: no such descriptor. */
struct file *descriptor_get(int fd);
/* The same without those that O_PATH opened: for all that works on content. */
struct file *descriptor_get_open(int fd);
/* The same of another table, for /proc; and the lowest descriptor in use from fd on, or -1. */
struct file *file_table_file(struct file_table *table, int fd);
int file_table_next(struct file_table *table, int fd);
/* Whether it is marked to be closed by exec; -EBADF. */
long file_table_marked(struct file_table *table, int fd);

/* The lowest free number; takes over the file's reference, also on failure. -EMFILE, -ENOMEM. */
long descriptor_add(struct file *file, bool close_on_exec);
/* The same from `lowest` on; -EINVAL when that is beyond the limit. */
long descriptor_add_from(struct file *file, int lowest, bool close_on_exec);
/* Whether descriptor_add would find a number now. */
bool descriptor_room(void);
/* At that number, closing what was there; -EBADF beyond the limit. Takes over the reference. */
long descriptor_replace(int fd, struct file *file, bool close_on_exec);
long descriptor_close(int fd);
/* Close, or mark, every descriptor from first to last. */
void descriptors_close(uint32_t first, uint32_t last);
void descriptors_mark(uint32_t first, uint32_t last);
/* Whether it is marked to be closed by exec; -EBADF. */
long descriptor_marked(int fd);
long descriptor_mark(int fd, bool close_on_exec);
/* The same in a table that no task runs with yet, at that number. */
long file_table_put_at(struct file_table *table, int fd, struct file *file);

/* exec: closes what is marked so. */
void descriptors_close_on_exec(struct file_table *table);
