/* What the tests of images share: layers made from scripts, and a tree to merge them into. */
#pragma once

#include "host/image/layer.h"

/*
 * A tar archive, in memory of its own, from lines "KIND PATH [REST]":
 *   d directory   f file, REST its content   l symbolic link, REST its target
 *   h hard link to REST   c device node with the number REST   p pipe
 *   n file of REST bytes, each the low byte of its offset
 *   x file with REST as the value of user.test
 * A line may begin with "MODE " in octal digits; otherwise 755 for directories and 644.
 */
void *layer_make(const char *script, size_t *length_bytes);

struct fixture {
    struct problem problem;
    struct spool spool;
    struct image_tree tree;
    uint16_t layers;
};

void fixture_open(struct fixture *fixture, uint64_t content_bytes_max);
void fixture_close(struct fixture *fixture);
status_t fixture_add(struct fixture *fixture, const char *script);

/*
 * The tree as lines "KIND PATH [REST]", sorted, contents of files up to a line; names of one inode
 * of several get " +". In memory of its own.
 */
char *fixture_text(const struct fixture *fixture);
