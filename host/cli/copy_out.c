/* oak cp CONTAINER:PATH TARGET. */
#include "host/channel/credit.h"
#include "host/cli/copy.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The archive as it comes from the session. */
struct source {
    struct connection *connection;
    uint32_t session;
    uint16_t tag;
    struct credit_owed owed;
    uint32_t held_bytes; /* handed out and not yet consumed */
    bool answered;
    bool ended;
    status_t status;
    char *message;
};

static void held_return(struct source *source)
{
    uint32_t returned = credit_consumed(&source->owed, source->held_bytes);
    struct control_frame header = {
        .session = source->session, .type = CONTROL_CREDIT, .stream = 1, .value = returned};
    source->held_bytes = 0;
    if (returned > 0) {
        connection_put(source->connection, &header, NULL);
    }
}

static void result_take(struct source *source, const struct frame *frame)
{
    source->answered = true;
    source->status = frame->header.value;
    if (source->status != STATUS_OK) {
        source->message = records_text(frame->payload, frame->header.length, RECORD_MESSAGE);
    }
}

/* The next bytes: their number, 0 at the end, -1 on failure. They stay until the next call. */
static ssize_t source_next(struct source *source, const void **bytes)
{
    held_return(source);
    while (!source->ended || !source->answered) {
        struct frame frame;
        if (connection_flush(source->connection) != STATUS_OK ||
            connection_receive(source->connection, &frame) != STATUS_OK) {
            source->status = STATUS_CLOSED;
            return -1;
        }
        if (frame.header.session != source->session) {
            continue;
        }
        if (frame.header.type == CONTROL_RESULT && frame.header.stream == source->tag) {
            result_take(source, &frame);
        } else if (frame.header.type == CONTROL_EOF && frame.header.stream == 1) {
            source->ended = true;
        } else if (frame.header.type == CONTROL_DATA && frame.header.stream == 1 &&
                   frame.header.length > 0) {
            source->held_bytes = frame.header.length;
            *bytes = frame.payload;
            return (ssize_t)frame.header.length;
        }
        if (source->status != STATUS_OK) {
            return -1;
        }
    }
    return 0;
}

static la_ssize_t source_read(struct archive *archive, void *context, const void **bytes)
{
    ssize_t got = source_next(context, bytes);
    if (got < 0) {
        archive_set_error(archive, EIO, "the container's archive ended early");
    }
    return got;
}

static int source_refused(const struct source *source, const char *container, const char *path)
{
    if (source->status == STATUS_CLOSED) {
        return EXIT_OAK;
    }
    if (source->status == STATUS_NOT_FOUND) {
        return error_line(1, "no %s in container %s, or no such container", path, container);
    }
    return error_line(1, "cannot copy %s out of container %s: %s", path, container,
                      source->message != NULL ? source->message : status_text(source->status));
}

/* The archive itself to stdout. */
static bool archive_pass(struct source *source)
{
    const void *bytes;
    ssize_t got;
    while ((got = source_next(source, &bytes)) > 0) {
        if (fwrite(bytes, 1, (size_t)got, stdout) != (size_t)got) {
            return false;
        }
    }
    return got == 0;
}

/*
 * Where the copy goes: an existing directory takes the source under its own name (or only its
 * contents), any other target names the copy. The directory's descriptor, or -1 and errno.
 */
static int target_open(struct tree *tree, char *target, const char *source_name, bool contents)
{
    struct stat about;
    if (stat(target, &about) == 0 && S_ISDIR(about.st_mode)) {
        tree->top = contents ? NULL : source_name;
        return open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (target[0] != '\0' && target[strlen(target) - 1] == '/') {
        errno = ENOENT;
        return -1;
    }
    char *copy = text_copy(target);
    tree->top = text_copy(basename(copy));
    free(copy);
    return open(dirname(target), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int tree_take(struct source *source, struct tree *tree, const char *container,
                     const char *path)
{
    struct archive *archive = archive_read_new();
    int code = 0;
    if (archive == NULL || archive_read_support_format_tar(archive) != ARCHIVE_OK) {
        return error_line(EXIT_OAK, "out of memory");
    }
    status_t status = STATUS_IO_ERROR;
    if (archive_read_open(archive, source, NULL, source_read, NULL) == ARCHIVE_OK) {
        status = tree_write(tree, archive);
    }
    if (source->status != STATUS_OK) {
        code = source_refused(source, container, path);
    } else if (status != STATUS_OK) {
        code = error_line(1, "cannot copy %s out of container %s: %s", path, container,
                          tree->problem[0] != '\0' ? tree->problem : "no archive came");
    } else if (tree->refused > 0) {
        note_line("left out %llu devices, pipes or sockets", (unsigned long long)tree->refused);
    }
    archive_read_free(archive);
    return code;
}

static int source_take(struct source *source, const char *container, char *path, bool contents,
                       const char *target)
{
    if (strcmp(target, "-") == 0) {
        return archive_pass(source) ? 0 : source_refused(source, container, path);
    }
    struct tree tree = {.directory_fd = -1};
    char *target_copy = text_copy(target);
    char *path_copy = text_copy(path);
    const char *name = basename(path_copy);
    int code;
    tree.directory_fd =
        target_open(&tree, target_copy, strcmp(name, "/") == 0 ? "root" : name, contents);
    if (tree.directory_fd < 0) {
        code = error_line(1, "cannot copy to %s: %s", target, strerror(errno));
    } else {
        code = tree_take(source, &tree, container, path);
        close(tree.directory_fd);
    }
    free(target_copy);
    free(path_copy);
    return code;
}

int copy_out(struct connection *connection, const char *container, const char *path,
             const char *target)
{
    uint8_t bytes[16384];
    struct record_writer records;
    char *trimmed = text_copy(path);
    bool contents = copy_path_trim(trimmed);
    /* What was cut off said that a directory is meant, also behind a symbolic link. */
    bool directory = contents || (path[0] != '\0' && path[strlen(path) - 1] == '/');
    char *asked = text_format("%s%s", trimmed, directory && trimmed[1] != '\0' ? "/" : "");
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, container);
    record_put_text(&records, RECORD_PATH, asked);
    free(asked);
    if (records.overflow) {
        return error_line(EXIT_OAK, "cp: the path is too long");
    }
    struct source source = {.connection = connection, .session = connection_session(connection)};
    source.tag = connection_ask(connection, source.session, CONTROL_COPY_OUT, &records);
    int code = source_take(&source, container, trimmed, contents, target);
    free(source.message);
    free(trimmed);
    return code;
}
