#include "host/cli/specification.h"

#include "host/cli/signals.h"
#include "host/cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FILE_MODE    0100644

/* Docker: a given entrypoint replaces the image's and its command; words replace the command. */
static void command_combine(struct specification *specification, const char *const *arguments,
                            size_t argument_count)
{
    const struct container_flags *flags = specification->flags;
    const struct image *image = specification->image;
    if (flags->entrypoint == NULL) {
        for (size_t i = 0; i < image->entrypoint.count; i++) {
            text_list_add(&specification->entrypoint, image->entrypoint.items[i]);
        }
    } else if (flags->entrypoint[0] != '\0') {
        text_list_add(&specification->entrypoint, flags->entrypoint);
    }
    if (argument_count == 0 && flags->entrypoint == NULL) {
        arguments = image->command.items;
        argument_count = image->command.count;
    }
    for (size_t i = 0; i < argument_count; i++) {
        text_list_add(&specification->command, arguments[i]);
    }
}

static bool environment_combine(struct specification *specification)
{
    const struct container_flags *flags = specification->flags;
    const struct image *image = specification->image;
    struct text_list *environment = &specification->environment;
    environment_set(environment, DEFAULT_PATH);
    environment_set(environment, text_format("HOSTNAME=%s", specification->hostname));
    if (flags->terminal) {
        environment_set(environment, "TERM=xterm");
    }
    for (size_t i = 0; i < image->environment.count; i++) {
        environment_set(environment, image->environment.items[i]);
    }
    return environment_add(environment, "run", &flags->environment_files, &flags->environment);
}

bool specification_make(struct specification *specification, const struct container_flags *flags,
                        const struct image *image, const char *const *arguments,
                        size_t argument_count)
{
    *specification = (struct specification){.flags = flags, .image = image};
    id_make(specification->id);
    if (flags->name != NULL) {
        snprintf(specification->name, sizeof(specification->name), "%s", flags->name);
    } else {
        name_make(specification->name, 0);
    }
    specification->hostname = flags->hostname != NULL ? text_copy(flags->hostname)
                                                      : text_format("%.12s", specification->id);
    specification->working_directory =
        flags->working_directory != NULL ? flags->working_directory : image->working_directory;
    specification->user = flags->user != NULL ? flags->user : image->user;
    specification->stop_signal = flags->stop_signal != NULL   ? flags->stop_signal
                                 : image->stop_signal[0] != 0 ? image->stop_signal
                                                              : "SIGTERM";
    specification->stop_signal_number = signal_parse(specification->stop_signal);
    if (specification->stop_signal_number == 0) {
        specification->stop_signal_number = signal_parse("SIGTERM");
    }
    if (!limits_parse("run", &flags->limits, &specification->limits)) {
        return false;
    }
    command_combine(specification, arguments, argument_count);
    if (specification->entrypoint.count + specification->command.count == 0) {
        error_line(EXIT_OAK, "image %s names no command: say one after it", image->name);
        return false;
    }
    return environment_combine(specification);
}

static void file_put(struct record_writer *records, const char *path, const char *text)
{
    size_t place = record_begin(records, RECORD_FILE);
    record_put_text(records, RECORD_PATH, path);
    record_put_number(records, RECORD_MODE, FILE_MODE);
    record_put_text(records, RECORD_DATA, text);
    record_end(records, place);
}

static void files_put(const struct specification *specification, struct record_writer *records)
{
    char text[512];
    snprintf(text, sizeof(text),
             "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
             "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\n"
             "ff02::2\tip6-allrouters\n127.0.1.1\t%s\n",
             specification->hostname);
    file_put(records, "/etc/hosts", text);
    snprintf(text, sizeof(text), "%s\n", specification->hostname);
    file_put(records, "/etc/hostname", text);
    file_put(records, "/etc/resolv.conf", "# This container has no network.\n");
}

static void list_put(struct record_writer *records, uint16_t tag, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        record_put_text(records, tag, list->items[i]);
    }
}

static void flags_put(const struct specification *specification, uint32_t window,
                      struct record_writer *records)
{
    const struct container_flags *flags = specification->flags;
    if (flags->terminal) {
        record_put_number(records, RECORD_TERMINAL, 1);
        record_put_number(records, RECORD_WINDOW, window);
    }
    if (flags->interactive) {
        record_put_number(records, RECORD_OPEN_STDIN, 1);
    }
    if (flags->read_only) {
        record_put_number(records, RECORD_READ_ONLY, 1);
    }
    if (flags->remove) {
        record_put_number(records, RECORD_AUTO_REMOVE, 1);
    }
    if (flags->security_options.count > 0) {
        record_put_number(records, RECORD_UNSEALED, 1);
    }
    limits_put(records, &specification->limits);
    list_put(records, RECORD_TMPFS, &flags->tmpfs);
}

bool specification_write(const struct specification *specification, struct record_writer *records)
{
    record_put_text(records, RECORD_ID, specification->id);
    record_put_text(records, RECORD_NAME, specification->name);
    record_put(records, RECORD_BLOB, specification->image->blob,
               sizeof(specification->image->blob));
    list_put(records, RECORD_ARGUMENT, &specification->entrypoint);
    list_put(records, RECORD_ARGUMENT, &specification->command);
    list_put(records, RECORD_ENVIRONMENT, &specification->environment);
    if (specification->working_directory[0] != '\0') {
        record_put_text(records, RECORD_WORKING_DIRECTORY, specification->working_directory);
    }
    if (specification->user[0] != '\0') {
        record_put_text(records, RECORD_USER, specification->user);
    }
    record_put_text(records, RECORD_HOSTNAME, specification->hostname);
    record_put_number(records, RECORD_STOP_SIGNAL, specification->stop_signal_number);
    flags_put(specification, terminal_window(), records);
    files_put(specification, records);
    size_t label_bytes;
    char *label = label_make(specification, &label_bytes);
    record_put(records, RECORD_LABEL, label, label_bytes);
    free(label);
    if (records->overflow) {
        error_line(EXIT_OAK, "arguments and environment are larger than %d KiB: make them smaller",
                   CONTROL_SPEC_MAX >> 10);
        return false;
    }
    return true;
}
