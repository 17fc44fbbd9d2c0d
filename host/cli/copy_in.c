/* oak cp SOURCE CONTAINER:PATH. */
#include "host/channel/credit.h"
#include "host/cli/copy.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_BYTES 16384

/* The session that takes the archive. */
struct sink {
    struct connection *connection;
    uint32_t session;
    uint16_t tag;
    struct credit credit;
    bool answered;
    status_t status;
    char *message;
};

static void frame_take(struct sink *sink, const struct frame *frame)
{
    if (frame->header.session != sink->session) {
        return;
    }
    if (frame->header.type == CONTROL_CREDIT && frame->header.stream == 0 &&
        credit_return(&sink->credit, frame->header.value) != STATUS_OK) {
        sink->status = STATUS_CORRUPT;
    } else if (frame->header.type == CONTROL_RESULT && frame->header.stream == sink->tag) {
        sink->answered = true;
        sink->status = frame->header.value;
        sink->message = records_text(frame->payload, frame->header.length, RECORD_MESSAGE);
    } else if (frame->header.type == CONTROL_CLOSE && !sink->answered) {
        sink->status = STATUS_CLOSED;
    }
}

static bool sink_wait(struct sink *sink)
{
    struct frame frame;
    if (connection_flush(sink->connection) != STATUS_OK ||
        connection_receive(sink->connection, &frame) != STATUS_OK) {
        sink->status = STATUS_CLOSED;
        return false;
    }
    frame_take(sink, &frame);
    return sink->status == STATUS_OK;
}

static bool sink_put(struct sink *sink, const uint8_t *bytes, size_t length_bytes)
{
    while (length_bytes > 0 && sink->status == STATUS_OK) {
        uint32_t part = (uint32_t)MIN(length_bytes, (size_t)PART_BYTES);
        part = MIN(part, sink->credit.available_bytes);
        if (part == 0) {
            sink_wait(sink);
            continue;
        }
        struct control_frame header = {
            .length = part, .session = sink->session, .type = CONTROL_DATA};
        if (credit_take(&sink->credit, part) == STATUS_OK) {
            connection_put(sink->connection, &header, bytes);
        }
        bytes += part;
        length_bytes -= part;
    }
    return sink->status == STATUS_OK;
}

static la_ssize_t sink_write(struct archive *archive, void *context, const void *bytes,
                             size_t length_bytes)
{
    if (!sink_put(context, bytes, length_bytes)) {
        archive_set_error(archive, EPIPE, "the container does not take it");
        return -1;
    }
    return (la_ssize_t)length_bytes;
}

static bool archive_pass(struct sink *sink)
{
    uint8_t bytes[PART_BYTES];
    size_t got;
    while ((got = fread(bytes, 1, sizeof(bytes), stdin)) > 0) {
        if (!sink_put(sink, bytes, got)) {
            return false;
        }
    }
    return ferror(stdin) == 0;
}

/* The entry's name in the archive: top in place of the source's own path. */
static void entry_rename(struct archive_entry *entry, const char *source, const char *top)
{
    const char *below = archive_entry_pathname(entry) + strlen(source);
    char *name = text_format("%s%s", top, below);
    archive_entry_set_pathname(entry, name);
    free(name);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    archive_entry_set_uname(entry, "root");
    archive_entry_set_gname(entry, "root");
}

static bool entry_copy(struct archive *disk, struct archive *archive, struct archive_entry *entry)
{
    const void *block;
    size_t length_bytes;
    la_int64_t offset;
    static const uint8_t zeros[PART_BYTES];
    la_int64_t done = 0;
    int result = ARCHIVE_EOF;
    if (archive_write_header(archive, entry) != ARCHIVE_OK) {
        return false;
    }
    while (archive_entry_size(entry) > 0 &&
           (result = archive_read_data_block(disk, &block, &length_bytes, &offset)) == ARCHIVE_OK) {
        while (done < offset) {
            size_t part = (size_t)MIN(offset - done, (la_int64_t)sizeof(zeros));
            if (archive_write_data(archive, zeros, part) < 0) {
                return false;
            }
            done += (la_int64_t)part;
        }
        if (archive_write_data(archive, block, length_bytes) < 0) {
            return false;
        }
        done += (la_int64_t)length_bytes;
    }
    return result == ARCHIVE_EOF;
}

static bool tree_send(struct archive *disk, struct archive *archive, const char *source,
                      const char *top)
{
    struct archive_entry *entry = archive_entry_new();
    bool good = entry != NULL;
    while (good) {
        archive_entry_clear(entry);
        int result = archive_read_next_header2(disk, entry);
        if (result == ARCHIVE_EOF) {
            break;
        }
        good = result == ARCHIVE_OK || result == ARCHIVE_WARN;
        if (good) {
            archive_read_disk_descend(disk);
            entry_rename(entry, source, top);
            bool plain = archive_entry_filetype(entry) == AE_IFREG ||
                         archive_entry_filetype(entry) == AE_IFDIR ||
                         archive_entry_filetype(entry) == AE_IFLNK;
            good = !plain || entry_copy(disk, archive, entry);
        }
    }
    archive_entry_free(entry);
    return good;
}

/* Packs the source under the name top into the session. */
static bool source_pack(struct sink *sink, const char *source, const char *top, char *problem,
                        size_t problem_bytes)
{
    struct archive *disk = archive_read_disk_new();
    struct archive *archive = archive_write_new();
    bool good = disk != NULL && archive != NULL;
    if (good) {
        archive_read_disk_set_symlink_physical(disk);
        /* Holes are sent as zeros, names as the bytes that they are. */
        archive_read_disk_set_behavior(disk, ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL |
                                                 ARCHIVE_READDISK_NO_FFLAGS |
                                                 ARCHIVE_READDISK_NO_SPARSE);
        archive_write_set_format_pax_restricted(archive);
        archive_write_set_options(archive, "hdrcharset=BINARY");
        archive_write_set_bytes_in_last_block(archive, 1);
        good = archive_write_open(archive, sink, NULL, sink_write, NULL) == ARCHIVE_OK &&
               archive_read_disk_open(disk, source) == ARCHIVE_OK;
        good = good && tree_send(disk, archive, source, top);
        const char *why = archive_error_string(disk);
        snprintf(problem, problem_bytes, "%s", why != NULL ? why : "cannot be read");
        if (!good) {
            archive_write_fail(archive);
        }
        good = archive_write_close(archive) == ARCHIVE_OK && good;
    }
    archive_read_free(disk);
    archive_write_free(archive);
    return good && sink->status == STATUS_OK;
}

/* One try to unpack into the directory. The sink's status says how the engine took it. */
static bool copy_try(struct sink *sink, const char *container, const char *directory,
                     const char *source, const char *top, char *problem, size_t problem_bytes)
{
    uint8_t bytes[16384];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, container);
    record_put_text(&records, RECORD_PATH, directory);
    free(sink->message);
    *sink = (struct sink){.connection = sink->connection,
                          .session = connection_session(sink->connection)};
    credit_init(&sink->credit);
    if (records.overflow) {
        sink->status = STATUS_TOO_LARGE;
        return false;
    }
    sink->tag = connection_ask(sink->connection, sink->session, CONTROL_COPY_IN, &records);
    bool sent = strcmp(source, "-") == 0 ? archive_pass(sink)
                                         : source_pack(sink, source, top, problem, problem_bytes);
    if (sent) {
        struct control_frame header = {.session = sink->session, .type = CONTROL_EOF};
        connection_put(sink->connection, &header, NULL);
        while (!sink->answered && sink_wait(sink)) {
        }
    }
    connection_session_end(sink->connection, sink->session);
    return sent && sink->status == STATUS_OK;
}

static int copy_refused(const struct sink *sink, const char *source, const char *container,
                        const char *path, const char *problem)
{
    if (sink->status == STATUS_CLOSED) {
        return EXIT_OAK;
    }
    if (sink->status == STATUS_OK) {
        return error_line(1, "cannot copy %s: %s", source, problem);
    }
    if (sink->status == STATUS_NOT_FOUND) {
        return error_line(1, "no %s in container %s, or no such container", path, container);
    }
    return error_line(1, "cannot copy %s into container %s: %s", source, container,
                      sink->message != NULL ? sink->message : status_text(sink->status));
}

int copy_in(struct connection *connection, const char *source, const char *container,
            const char *path)
{
    struct sink sink = {.connection = connection};
    char problem[256] = "";
    char *from = text_copy(source);
    char *to = text_copy(path);
    char *from_name = text_copy(source);
    char *to_name = text_copy(path);
    bool contents = copy_path_trim(from);
    struct stat about;
    copy_path_trim(to);
    copy_path_trim(from_name);
    copy_path_trim(to_name);
    bool piped = strcmp(source, "-") == 0;
    if (!piped && lstat(from, &about) != 0) {
        return error_line(1, "cannot copy %s: %s", source, strerror(errno));
    }
    const char *top = contents ? "." : basename(from_name);
    bool done = copy_try(&sink, container, to, from, top, problem, sizeof(problem));
    /* Not a directory, or not there: then path is the name that the copy gets. */
    if (!done && !piped && (sink.status == STATUS_NOT_FOUND || sink.status == STATUS_WRONG_TYPE)) {
        const char *directory = dirname(to);
        done = copy_try(&sink, container, directory, from, basename(to_name), problem,
                        sizeof(problem));
    }
    int code = done ? 0 : copy_refused(&sink, source, container, path, problem);
    free(sink.message);
    free(from);
    free(to);
    free(from_name);
    free(to_name);
    return code;
}
