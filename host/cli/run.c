/*
 * oak run and oak create. A run is one session whose requests are sent together: CREATE, ATTACH,
 * START and WAIT cost one message each way before the container's own output.
 */
#include "host/cli/attached.h"
#include "host/cli/containers.h"
#include "host/cli/specification.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_ATTEMPTS 8

struct run {
    struct connection connection;
    const struct container_flags *flags;
    struct image image;
    struct specification specification;
    struct attached attached;
    uint16_t create_tag;
    uint16_t start_tag;
};

static void container_put(struct record_writer *records, uint8_t *bytes, size_t length_bytes,
                          const char *id)
{
    record_writer_init(records, bytes, length_bytes);
    record_put_text(records, RECORD_CONTAINER, id);
}

/* A container that was never started is not removed by the engine itself. */
static void created_remove(struct run *run)
{
    struct reply reply;
    if (container_ask(&run->connection, CONTROL_REMOVE, run->specification.id, &reply) ==
        STATUS_OK) {
        reply_free(&reply);
    }
}

static int create_refused(const struct run *run, const struct reply *reply)
{
    switch (reply->status) {
    case STATUS_EXISTS:
        return error_line(EXIT_OAK,
                          "the container name %s is in use: remove that container (oak rm) or "
                          "choose another --name",
                          run->specification.name);
    case STATUS_NO_MEMORY:
        return error_line(EXIT_OAK, "cannot create the container: %s", reply_message(reply));
    default:
        return error_line(EXIT_OAK, "cannot create the container: %s", reply_message(reply));
    }
}

static int start_refused(const struct run *run, const struct reply *reply)
{
    const struct specification *specification = &run->specification;
    const char *program = specification->entrypoint.count > 0 ? specification->entrypoint.items[0]
                                                              : specification->command.items[0];
    int code = launch_refused(program, "image", run->image.name, reply);
    return code != 0 ? code
                     : error_line(EXIT_OAK, "cannot start the container: %s", reply_message(reply));
}

static int run_refused(struct run *run)
{
    const struct attached *attached = &run->attached;
    if (attached->failed_tag == run->create_tag) {
        return create_refused(run, &attached->reply);
    }
    int code = attached->failed_tag == run->start_tag || run->flags->detach
                   ? start_refused(run, &attached->reply)
                   : error_line(EXIT_OAK, "cannot follow the container: %s",
                                reply_message(&attached->reply));
    if (run->flags->remove) {
        created_remove(run);
    }
    return code;
}

/* Queues the requests of a run. */
static void run_ask(struct run *run, const struct record_writer *specification)
{
    struct attached *attached = &run->attached;
    struct connection *connection = &run->connection;
    uint8_t bytes[128];
    struct record_writer records;
    container_put(&records, bytes, sizeof(bytes), run->specification.id);
    attached->session = connection_session(connection);
    run->create_tag = connection_ask(connection, attached->session, CONTROL_CREATE, specification);
    if (!run->flags->detach) {
        connection_ask(connection, attached->session, CONTROL_ATTACH, &records);
    }
    run->start_tag = connection_ask(connection, attached->session, CONTROL_START, &records);
    attached->begin_tag = run->start_tag;
    attached->end_tag = run->start_tag;
    if (!run->flags->detach) {
        attached->end_tag = connection_ask(connection, attached->session, CONTROL_WAIT, &records);
    }
}

static bool cid_file_write(const struct container_flags *flags, const char *id)
{
    if (flags->cid_file == NULL) {
        return true;
    }
    int fd = open(flags->cid_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool good = fd >= 0 && write(fd, id, ID_DIGITS) == ID_DIGITS;
    if (!good) {
        error_line(EXIT_OAK, "cannot write --cidfile %s: %s", flags->cid_file, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static int run_end(struct run *run, enum attached_end end)
{
    struct attached *attached = &run->attached;
    const struct reply *reply = &attached->reply;
    terminal_restore();
    switch (end) {
    case ATTACHED_DONE:
        break;
    case ATTACHED_REFUSED:
        return run_refused(run);
    case ATTACHED_DETACHED:
        connection_session_end(&run->connection, attached->session);
        return connection_flush(&run->connection) == STATUS_OK ? 0 : EXIT_OAK;
    case ATTACHED_LOST:
        return EXIT_OAK;
    }
    if (reply->status != STATUS_OK) {
        return run->flags->detach ? run_refused(run)
                                  : error_line(EXIT_OAK, "cannot wait for the container: %s",
                                               reply_message(reply));
    }
    if (run->flags->detach) {
        printf("%s\n", run->specification.id);
        return 0;
    }
    char *message = records_text(reply->bytes, reply->length_bytes, RECORD_MESSAGE);
    if (message != NULL) {
        note_line("%s", message);
    }
    free(message);
    return (int)(records_number(reply->bytes, reply->length_bytes, RECORD_EXIT_CODE, EXIT_OAK) &
                 0xff);
}

/* What a refused CREATE can be cured by: another random name, the image imported once more. */
static bool run_again(struct run *run, int attempt, enum attached_end end)
{
    const struct attached *attached = &run->attached;
    if (end != ATTACHED_REFUSED || attached->failed_tag != run->create_tag) {
        return false;
    }
    if (attached->reply.status == STATUS_EXISTS && run->flags->name == NULL) {
        name_make(run->specification.name, attempt + 1);
        return attempt < NAME_ATTEMPTS;
    }
    return false;
}

static int run_attempts(struct run *run, bool *blob_missing)
{
    struct attached *attached = &run->attached;
    enum attached_end end = ATTACHED_LOST;
    bool again = true;
    for (int attempt = 0; again; attempt++) {
        struct record_writer specification;
        specification_writer(&specification);
        bool written = specification_write(&run->specification, &specification);
        if (written) {
            run_ask(run, &specification);
        }
        free(specification.bytes);
        if (!written) {
            return EXIT_OAK;
        }
        end = attached_run(attached);
        again = run_again(run, attempt, end);
        if (again) {
            reply_free(&attached->reply);
            connection_session_end(&run->connection, attached->session);
        }
    }
    *blob_missing = end == ATTACHED_REFUSED && attached->failed_tag == run->create_tag &&
                    attached->reply.status == STATUS_NOT_FOUND;
    return *blob_missing ? EXIT_OAK : run_end(run, end);
}

static bool run_prepare(struct run *run, const struct text_list *arguments, bool again)
{
    return image_find(&run->connection, arguments->items[0], again, &run->image) &&
           specification_make(&run->specification, run->flags, &run->image, arguments->items + 1,
                              arguments->count - 1);
}

static bool terminal_take(struct run *run)
{
    const struct container_flags *flags = run->flags;
    struct attached *attached = &run->attached;
    attached->connection = &run->connection;
    attached->container = run->specification.id;
    attached->input = flags->interactive && !flags->detach;
    attached->proxy = flags->sig_proxy && !flags->terminal && !flags->detach;
    if (flags->detach || !flags->terminal) {
        attached_signals_take(attached);
        return true;
    }
    if (flags->interactive && !isatty(STDIN_FILENO)) {
        error_line(1, "the input device is not a TTY: leave -t away");
        return false;
    }
    attached->terminal = flags->interactive && terminal_raw();
    attached_signals_take(attached);
    return detach_keys_parse(&attached->detach_keys, flags->detach_keys);
}

int run_command(int argc, char **argv)
{
    static struct run run = {.flags = &container_flags};
    struct text_list arguments = {0};
    if (!options_parse(container_option_set(), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("run", "an image");
    }
    if (!container_flags_check("run", run.flags) || !connection_open(&run.connection, NULL) ||
        !run_prepare(&run, &arguments, false)) {
        return EXIT_OAK;
    }
    if (!terminal_take(&run)) {
        return 1;
    }
    if (!cid_file_write(run.flags, run.specification.id)) {
        return EXIT_OAK;
    }
    bool blob_missing = false;
    int code = run_attempts(&run, &blob_missing);
    if (blob_missing) {
        reply_free(&run.attached.reply);
        code = run_prepare(&run, &arguments, true) ? run_attempts(&run, &blob_missing) : EXIT_OAK;
    }
    terminal_restore();
    return code;
}

/* create: the same specification, and only the first request. */
int create_command(int argc, char **argv)
{
    static struct run run = {.flags = &container_flags};
    struct text_list arguments = {0};
    if (!options_parse(container_option_set(), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("create", "an image");
    }
    if (!container_flags_check("create", run.flags) || !connection_open(&run.connection, NULL)) {
        return EXIT_OAK;
    }
    struct reply reply = {.status = STATUS_NOT_FOUND};
    for (int attempt = 0; attempt < 2 && reply.status == STATUS_NOT_FOUND; attempt++) {
        struct record_writer specification;
        specification_writer(&specification);
        if (!run_prepare(&run, &arguments, attempt > 0) ||
            !specification_write(&run.specification, &specification) ||
            connection_request(&run.connection, 0, CONTROL_CREATE, &specification, &reply) !=
                STATUS_OK) {
            return EXIT_OAK;
        }
        free(specification.bytes);
    }
    if (reply.status != STATUS_OK) {
        return create_refused(&run, &reply) != 0 ? 1 : 0;
    }
    if (!cid_file_write(run.flags, run.specification.id)) {
        created_remove(&run);
        return EXIT_OAK;
    }
    printf("%s\n", run.specification.id);
    return 0;
}
