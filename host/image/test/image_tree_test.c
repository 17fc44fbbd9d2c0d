/*
 * Proves: layers merge as the OCI image specification says (whiteouts, opaque directories, files
 * and directories that replace each other, hard links, paths through links), hostile layers are
 * refused with a line, limits end an import, and the books of the tree are zero at its end.
 */
#include "host/image/test/image_make.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROOM (1u << 30)

static const struct {
    const char *sentence;
    const char *layers[4];
    const char *text; /* of the tree; NULL: refused */
    const char *problem;
} cases[] = {
    {"files, directories and links arrive as they are",
     {"d a\nf a/b one\nl a/c b\np a/p\nc a/z 0\n"},
     "d a\nf a/b one\nl a/c b\np a/p\nc a/z\n",
     NULL},
    {"names are sorted by their bytes",
     {"f b 1\nf a 2\nf B 3\nf aa 4\nf \xc3\xa4 5\nf a. 6\n"},
     "f B 3\nf a 2\nf a. 6\nf aa 4\nf b 1\nf \xc3\xa4 5\n",
     NULL},
    {"a leading / or ./ means the root, and the root itself is allowed",
     {"d ./\nf /a 1\nf ./b 2\nd ./d/\nf d//./e 3\n"},
     "f a 1\nf b 2\nd d\nf d/e 3\n",
     NULL},
    {"parents that no layer holds are made", {"f a/b/c 1\n"}, "d a\nd a/b\nf a/b/c 1\n", NULL},
    {"a later file replaces an earlier one", {"f a old\n", "f a new\n"}, "f a new\n", NULL},
    {"a whiteout takes away a file of a lower layer",
     {"d a\nf a/b 1\nf a/c 2\n", "f a/.wh.b \n"},
     "d a\nf a/c 2\n",
     NULL},
    {"a whiteout takes away a directory with all below it",
     {"d a\nd a/b\nf a/b/c 1\n", "f .wh.a \n"},
     "",
     NULL},
    {"a whiteout of what is not there does nothing", {"f a 1\n", "f .wh.b \n"}, "f a 1\n", NULL},
    {"a whiteout does not touch its own layer, whatever the order",
     {"f a old\nf b old\n", "f a new\nf .wh.a \nf .wh.b \nf b new\n"},
     "f a new\nf b new\n",
     NULL},
    {"a directory made anew after its whiteout keeps nothing of the lower one",
     {"d a\nf a/old 1\n", "f .wh.a \nd a\nf a/new 2\n"},
     "d a\nf a/new 2\n",
     NULL},
    {"and so if the whiteout comes last",
     {"d a\nd a/s\nf a/s/old 1\n", "d a\nd a/s\nf a/s/new 2\nf .wh.a \n"},
     "d a\nd a/s\nf a/s/new 2\n",
     NULL},
    {"an opaque directory hides what lower layers put into it",
     {"d a\nf a/old 1\nd a/d\nf a/d/old 1\n", "d a\nf a/new 2\nf a/.wh..wh..opq \n"},
     "d a\nf a/new 2\n",
     NULL},
    {"notes of a union file system are no files",
     {"d .wh..wh.plnk\nf .wh..wh.aufs \nf a 1\n"},
     "f a 1\n",
     NULL},
    {"a file replaces a directory with all below it",
     {"d a\nf a/b 1\n", "f a now a file\n"},
     "f a now a file\n",
     NULL},
    {"a directory replaces a file", {"f a 1\n", "d a\nf a/b 2\n"}, "d a\nf a/b 2\n", NULL},
    {"a directory over a directory keeps its names",
     {"d a\nf a/b 1\n", "d a\nf a/c 2\n"},
     "d a\nf a/b 1\nf a/c 2\n",
     NULL},
    {"hard links are names of one file, and stay so when one is replaced",
     {"f a one\nh b a\nh c a\n", "f b two\n"},
     "f a one +\nf b two\nf c one +\n",
     NULL},
    {"a hard link may lead to a file of a lower layer",
     {"f a one\n", "h b a\n"},
     "f a one +\nf b one +\n",
     NULL},
    {"a hard link to itself changes nothing", {"f a one\nh a a\n"}, "f a one\n", NULL},
    {"a hard link may replace the directory that held its target",
     {"d d\nf d/a one\n", "h d d/a\n"},
     "f d one\n",
     NULL},
    {"a link of the same layer is followed inside the image",
     {"d usr\nd usr/lib\nl lib usr/lib\nf lib/x 1\nl way /usr\nf way/lib/y 2\n"
      "l usr/up ../usr/lib\nf usr/up/z 3\n"},
     "l lib usr/lib\nd usr\nd usr/lib\nf usr/lib/x 1\nf usr/lib/y 2\nf usr/lib/z 3\n"
     "l usr/up ../usr/lib\nl way /usr\n",
     NULL},
    {"a link of a lower layer is hidden by a directory, as in an overlay",
     {"d usr\nl lib usr\n", "f lib/x 1\n"},
     "d lib\nf lib/x 1\nd usr\n",
     NULL},
    {"paths with .. are refused", {"d a\nf a/../../evil 1\n"}, NULL, ".."},
    {"even if they stay inside", {"d a\nf a/../b 1\n"}, NULL, ".."},
    {"a link that leads out is not followed",
     {"l way ../../..\nf way/evil 1\n"},
     NULL,
     "out of it"},
    {"nor is a circle of links", {"l a b\nl b a\nf a/x 1\n"}, NULL, "too many symbolic links"},
    {"a hard link out of the image is refused", {"h a ../../etc/passwd\n"}, NULL, ".."},
    {"and one to what is not there", {"h a etc/passwd\n"}, NULL, "holds no etc"},
    {"and one to a directory", {"d a\nh b a\n"}, NULL, "hard link to a directory"},
    {"a file as a directory of the same layer is refused",
     {"f a 1\nf a/b 2\n"},
     NULL,
     "no directory"},
    {"device nodes are refused", {"c null 259\n"}, NULL, "device node"},
    {"a whiteout without a name is refused", {"f .wh. \n"}, NULL, "whiteout"},
    {"and one of the directory itself", {"d a\nf a/.wh.. \n"}, NULL, "whiteout"},
    {"and one of its parent", {"d a\nf a/.wh... \n"}, NULL, "whiteout"},
    {"the root stays a directory", {"p /\n"}, NULL, "root is no directory"},
};

static void test_cases(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fixture fixture;
        status_t status = STATUS_OK;
        fixture_open(&fixture, ROOM);
        for (size_t j = 0; status == STATUS_OK && cases[i].layers[j] != NULL; j++) {
            status = fixture_add(&fixture, cases[i].layers[j]);
        }
        char *text = fixture_text(&fixture);
        bool good = cases[i].text != NULL ? status == STATUS_OK && strcmp(text, cases[i].text) == 0
                                          : status != STATUS_OK && strstr(fixture.problem.text,
                                                                          cases[i].problem) != NULL;
        printf("%sok %zu - %s\n", good ? "" : "not ", i + 1, cases[i].sentence);
        if (!good) {
            printf("  status %u, %s\n%s", status, fixture.problem.text, text);
        }
        free(text);
        fixture_close(&fixture);
    }
}

/* What goes away gives its room back, and hard links count once. */
static bool test_books(void)
{
    struct fixture fixture;
    fixture_open(&fixture, ROOM);
    bool good = fixture_add(&fixture, "d a\nn a/x 5000\nh a/y a/x\nn z 1\n") == STATUS_OK &&
                fixture.tree.content_bytes == 3 * SPOOL_BLOCK_BYTES && fixture.tree.entries == 4;
    good = good && fixture_add(&fixture, "f a/.wh.x \n") == STATUS_OK &&
           fixture.tree.content_bytes == 3 * SPOOL_BLOCK_BYTES && fixture.tree.entries == 3;
    good = good && fixture_add(&fixture, "f .wh.a \nf .wh.z \n") == STATUS_OK &&
           fixture.tree.content_bytes == 0 && fixture.tree.entries == 0;
    fixture_close(&fixture);
    return good;
}

static bool test_attributes(void)
{
    struct fixture fixture;
    fixture_open(&fixture, ROOM);
    bool good = fixture_add(&fixture, "4755 f a 1\n1777 d t\nx b value\n") == STATUS_OK;
    struct entry *a = directory_find(fixture.tree.root, "a", 1);
    struct entry *t = directory_find(fixture.tree.root, "t", 1);
    struct entry *b = directory_find(fixture.tree.root, "b", 1);
    good = good && a->inode->about.mode == (S_IFREG | 04755) && a->inode->about.uid == 70000 &&
           a->inode->about.gid == 7 && a->inode->about.mtime_seconds == 1000000000 &&
           t->inode->about.mode == (S_IFDIR | 01777) && b->inode->xattr_bytes == 16;
    good = good && fixture_add(&fixture, "700 d t\n") == STATUS_OK &&
           t->inode->about.mode == (S_IFDIR | 0700);
    fixture_close(&fixture);
    return good;
}

static bool test_room(void)
{
    struct fixture fixture;
    fixture_open(&fixture, 3 * SPOOL_BLOCK_BYTES);
    bool good = fixture_add(&fixture, "n a 8000\nn b 4000\n") == STATUS_OK &&
                fixture_add(&fixture, "n c 1\n") == STATUS_LIMIT_REACHED &&
                strstr(fixture.problem.text, "no room") != NULL;
    fixture_close(&fixture);
    return good;
}

static bool test_entries_limit(void)
{
    struct fixture fixture;
    fixture_open(&fixture, ROOM);
    fixture.tree.entries_max = 3;
    bool good = fixture_add(&fixture, "f a 1\nf b 1\nf c 1\n") == STATUS_OK &&
                fixture_add(&fixture, "f .wh.a \nf d 1\n") == STATUS_OK &&
                fixture_add(&fixture, "f e 1\n") == STATUS_LIMIT_REACHED;
    fixture_close(&fixture);
    return good;
}

/* A path of `parts` directories "d". */
static status_t deep_add(struct fixture *fixture, size_t parts)
{
    char script[4 * TREE_DEPTH_MAX + 16] = "d ";
    for (size_t i = 0; i < parts; i++) {
        strcat(script, "d/");
    }
    strcat(script, "\n");
    return fixture_add(fixture, script);
}

static bool test_depth(void)
{
    struct fixture fixture;
    fixture_open(&fixture, ROOM);
    bool good = deep_add(&fixture, TREE_DEPTH_MAX) == STATUS_OK &&
                deep_add(&fixture, TREE_DEPTH_MAX + 1) == STATUS_NOT_PERMITTED;
    fixture_close(&fixture);
    return good;
}

static void report(size_t number, bool good, const char *sentence)
{
    printf("%sok %zu - %s\n", good ? "" : "not ", number, sentence);
}

int main(void)
{
    size_t number = ARRAY_LENGTH(cases);
    test_cases();
    report(++number, test_books(), "what goes away gives its room back; hard links count once");
    report(++number, test_attributes(), "modes, owners, times and attributes arrive");
    report(++number, test_room(), "an image larger than the store's room is refused");
    report(++number, test_entries_limit(),
           "the number of files is limited, of those that are there");
    report(++number, test_depth(), "so is the depth of paths");
    return 0;
}
