/* The fake engine's requests; see fake_engine.c. */
#include "tests/cli/fake_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char *field_text(const uint8_t *bytes, size_t length_bytes, uint16_t tag)
{
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, bytes, length_bytes);
    if (record_find(&reader, tag, &record) != STATUS_OK) {
        return NULL;
    }
    return strndup(record.value, record.length_bytes);
}

uint64_t field_number(const uint8_t *bytes, size_t length_bytes, uint16_t tag)
{
    struct record_reader reader;
    struct record record;
    uint64_t number = 0;
    record_reader_init(&reader, bytes, length_bytes);
    if (record_find(&reader, tag, &record) != STATUS_OK ||
        record_number(&record, &number) != STATUS_OK) {
        return 0;
    }
    return number;
}

static char **field_vector(const uint8_t *bytes, size_t length_bytes, uint16_t tag)
{
    char **vector = calloc(4096, sizeof(*vector));
    size_t count = 0;
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, bytes, length_bytes);
    while (count < 4095 && record_next(&reader, &record) == STATUS_OK) {
        if (record.tag == tag) {
            vector[count++] = strndup(record.value, record.length_bytes);
        }
    }
    return vector;
}

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct container *container_find(struct engine *engine, const char *name)
{
    struct container *found = NULL;
    for (struct container *c = engine->containers; c != NULL && name != NULL; c = c->next) {
        if (strcmp(c->name, name) == 0 || strcmp(c->id, name) == 0) {
            return c;
        }
        if (name[0] != '\0' && strncmp(c->id, name, strlen(name)) == 0) {
            found = c;
        }
    }
    return found;
}

static void container_free(struct engine *engine, struct container *container)
{
    struct container **link = &engine->containers;
    while (*link != container) {
        link = &(*link)->next;
    }
    *link = container->next;
    for (uint32_t i = 0; i < container->process_count; i++) {
        process_release(container->process[i]);
    }
    free(container->label);
    free(container->specification);
    free(container);
}

static bool container_awaited(struct engine *engine, struct container *container)
{
    for (struct fake_session *s = engine->sessions; s != NULL; s = s->next) {
        if (s->source == container->process[0] ||
            (s->wait.active && s->wait.process == container->process[0])) {
            return true;
        }
    }
    return false;
}

void container_ended_check(struct engine *engine, struct container *container)
{
    if (process_finished(container->process[0]) && strcmp(container->state, "running") == 0) {
        container->state = "stopped";
        container->ended = wall_ns();
    }
    if (container->auto_remove && strcmp(container->state, "stopped") == 0 &&
        !container_awaited(engine, container)) {
        container_free(engine, container);
    }
}

static status_t request_create(struct engine *engine, const uint8_t *bytes, size_t length_bytes)
{
    char *id = field_text(bytes, length_bytes, RECORD_ID);
    char *name = field_text(bytes, length_bytes, RECORD_NAME);
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, bytes, length_bytes);
    status_t status = STATUS_INVALID_ARGUMENT;
    if (id == NULL || name == NULL || strlen(id) != 64 || strlen(name) > 63 ||
        record_find(&reader, RECORD_BLOB, &record) != STATUS_OK || record.length_bytes != 32) {
        status = STATUS_INVALID_ARGUMENT;
    } else if (getenv("FAKE_ANY_BLOB") == NULL && !blob_known(engine, record.value)) {
        status = STATUS_NOT_FOUND;
    } else if (container_find(engine, name) != NULL) {
        status = STATUS_EXISTS;
    } else {
        struct container *c = calloc(1, sizeof(*c));
        snprintf(c->id, sizeof(c->id), "%s", id);
        snprintf(c->name, sizeof(c->name), "%s", name);
        memcpy(c->blob, record.value, 32);
        c->state = "created";
        c->created = wall_ns();
        c->auto_remove = field_number(bytes, length_bytes, RECORD_AUTO_REMOVE) != 0;
        c->specification = memcpy(malloc(length_bytes), bytes, length_bytes);
        c->specification_bytes = length_bytes;
        if (record_find(&reader, RECORD_LABEL, &record) == STATUS_OK) {
            c->label = memcpy(malloc(record.length_bytes + 1), record.value, record.length_bytes);
            c->label_bytes = record.length_bytes;
        }
        c->process[c->process_count++] = process_make();
        c->next = engine->containers;
        engine->containers = c;
        status = STATUS_OK;
    }
    free(id);
    free(name);
    return status;
}

static status_t errno_status(int error)
{
    return error == 0 ? STATUS_OK : error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_PERMITTED;
}

static status_t process_launch(struct process *process, const uint8_t *bytes, size_t length_bytes)
{
    char *directory = field_text(bytes, length_bytes, RECORD_WORKING_DIRECTORY);
    struct process_plan plan = {
        .arguments = (const char *const *)field_vector(bytes, length_bytes, RECORD_ARGUMENT),
        .environment = field_vector(bytes, length_bytes, RECORD_ENVIRONMENT),
        .directory = directory,
        .terminal = field_number(bytes, length_bytes, RECORD_TERMINAL) != 0,
        .window = (uint32_t)field_number(bytes, length_bytes, RECORD_WINDOW),
        .open_stdin = field_number(bytes, length_bytes, RECORD_OPEN_STDIN) != 0,
    };
    return errno_status(process_start(process, &plan));
}

static void session_attach(struct fake_session *session, struct process *process, bool follow,
                           bool from_start)
{
    session->source = process;
    process->references++;
    session->cursor = from_start ? &process->log : process->log_end;
    session->follow = follow;
}

static void session_sink(struct fake_session *session, struct process *process)
{
    session->sink = process;
    process->references++;
}

static status_t request_start(struct container *container)
{
    if (container->process[0]->started) {
        return STATUS_BAD_STATE;
    }
    status_t status = process_launch(container->process[0], container->specification,
                                     container->specification_bytes);
    if (status == STATUS_OK) {
        container->state = "running";
        container->begun = wall_ns();
    }
    return status;
}

static status_t request_exec(struct fake_session *session, struct container *container,
                             const uint8_t *bytes, size_t length_bytes,
                             struct record_writer *records)
{
    if (strcmp(container->state, "running") != 0 || container->process_count == PROCESSES_MAX) {
        return STATUS_BAD_STATE;
    }
    struct process *process = process_make();
    status_t status = process_launch(process, bytes, length_bytes);
    if (status != STATUS_OK) {
        process_release(process);
        return status;
    }
    container->process[container->process_count] = process;
    session_attach(session, process, true, true);
    session_sink(session, process);
    record_put_number(records, RECORD_PROCESS, container->process_count++);
    return STATUS_OK;
}

static status_t request_kill(struct container *container, const uint8_t *bytes, size_t length_bytes)
{
    uint64_t which = field_number(bytes, length_bytes, RECORD_PROCESS);
    if (which >= container->process_count || !container->process[which]->started ||
        container->process[which]->ended) {
        return STATUS_BAD_STATE;
    }
    kill(container->process[which]->pid, (int)field_number(bytes, length_bytes, RECORD_SIGNAL));
    return STATUS_OK;
}

static status_t request_remove(struct engine *engine, struct container *container, bool force,
                               struct record_writer *records)
{
    struct process *process = container->process[0];
    if (process->started && !process->ended) {
        if (!force) {
            return STATUS_BAD_STATE;
        }
        kill(process->pid, SIGKILL);
        waitpid(process->pid, NULL, 0);
        process->ended = true;
        process->code = 137;
    }
    record_put_text(records, RECORD_ID, container->id);
    container_free(engine, container);
    return STATUS_OK;
}

static void state_put(struct record_writer *records, const struct container *c)
{
    size_t place = record_begin(records, RECORD_CONTAINER_STATE);
    record_put_text(records, RECORD_ID, c->id);
    record_put_text(records, RECORD_NAME, c->name);
    record_put(records, RECORD_BLOB, c->blob, 32);
    record_put_text(records, RECORD_STATE, c->state);
    record_put_number(records, RECORD_CREATED, c->created);
    record_put_number(records, RECORD_STARTED, c->begun);
    record_put_number(records, RECORD_ENDED, c->ended);
    record_put_number(records, RECORD_EXIT_CODE, (uint64_t)c->process[0]->code);
    record_put_number(records, RECORD_PROCESS_ID, (uint64_t)c->process[0]->pid);
    record_put(records, RECORD_LABEL, c->label, c->label_bytes);
    record_end(records, place);
}

static status_t request_copy(struct fake_session *session, bool in, uint16_t tag, char *path)
{
    struct stat about;
    const char *archive = getenv("FAKE_ARCHIVE");
    if (path == NULL || stat(path, &about) != 0) {
        return STATUS_NOT_FOUND;
    }
    if (in && !S_ISDIR(about.st_mode)) {
        return STATUS_WRONG_TYPE;
    }
    char *base = strdup(path);
    char *directory = strdup(path);
    const char *pack[] = {"tar", "-C", dirname(directory), "-cf", "-", basename(base), NULL};
    const char *unpack[] = {"tar", "-C", path, "-xf", "-", NULL};
    const char *hostile[] = {"cat", archive, NULL};
    struct process_plan plan = {.arguments = in                ? unpack
                                             : archive != NULL ? hostile
                                                               : pack,
                                .environment = environ,
                                .open_stdin = in};
    struct process *process = process_make();
    process_start(process, &plan);
    session->copy.process = process;
    if (in) {
        session_sink(session, process);
        session->copy.active = true;
        session->copy.tag = tag;
    } else {
        session_attach(session, process, true, true);
    }
    return STATUS_OK;
}

static void wait_begin(struct fake_session *session, uint16_t tag, struct process *process)
{
    process->references++;
    session->wait = (struct wait){.active = true, .tag = tag, .process = process};
}

/* Requests about one container. */
static void container_request(struct engine *engine, struct fake_session *session, uint16_t tag,
                              uint32_t request, const uint8_t *bytes, size_t length_bytes)
{
    static uint8_t buffer[1 << 20];
    struct record_writer records;
    record_writer_init(&records, buffer, sizeof(buffer));
    char *name = field_text(bytes, length_bytes, RECORD_CONTAINER);
    struct container *c = container_find(engine, name);
    free(name);
    status_t status = STATUS_OK;
    uint64_t which = field_number(bytes, length_bytes, RECORD_PROCESS);
    if (c == NULL || which >= c->process_count) {
        engine_result(engine, session->number, tag, STATUS_NOT_FOUND, NULL);
        return;
    }
    switch (request) {
    case CONTROL_START:
        status = request_start(c);
        break;
    case CONTROL_ATTACH:
        session_attach(session, c->process[0], true, false);
        session_sink(session, c->process[0]);
        break;
    case CONTROL_LOGS:
        session_attach(session, c->process[0],
                       field_number(bytes, length_bytes, RECORD_FOLLOW) != 0, true);
        break;
    case CONTROL_EXEC:
        status = request_exec(session, c, bytes, length_bytes, &records);
        break;
    case CONTROL_WAIT:
        wait_begin(session, tag, c->process[which]);
        return;
    case CONTROL_KILL:
        status = request_kill(c, bytes, length_bytes);
        break;
    case CONTROL_REMOVE:
        status = request_remove(engine, c, field_number(bytes, length_bytes, RECORD_FORCE) != 0,
                                &records);
        break;
    case CONTROL_INSPECT:
        state_put(&records, c);
        break;
    case CONTROL_AUTHORITY:
        record_put_text(&records, RECORD_AUTHORITY, "memory image read execute");
        record_put_text(&records, RECORD_AUTHORITY, "gate engine call");
        break;
    case CONTROL_PAUSE:
    case CONTROL_UNPAUSE:
        kill(c->process[0]->pid, request == CONTROL_PAUSE ? SIGSTOP : SIGCONT);
        c->state = request == CONTROL_PAUSE ? "paused" : "running";
        break;
    case CONTROL_COPY_OUT:
    case CONTROL_COPY_IN:
        status = request_copy(session, request == CONTROL_COPY_IN, tag,
                              field_text(bytes, length_bytes, RECORD_PATH));
        if (status == STATUS_OK && request == CONTROL_COPY_IN) {
            return;
        }
        break;
    default:
        status = STATUS_NOT_SUPPORTED;
        break;
    }
    engine_result(engine, session->number, tag, status, &records);
}

void engine_request(struct engine *engine, struct fake_session *session, uint16_t tag,
                    uint32_t request, const uint8_t *bytes, size_t length_bytes)
{
    static uint8_t buffer[16 << 20];
    struct record_writer records;
    record_writer_init(&records, buffer, sizeof(buffer));
    if (request == CONTROL_CREATE) {
        status_t status = request_create(engine, bytes, length_bytes);
        engine_result(engine, session->number, tag, status, NULL);
    } else if (request == CONTROL_LIST) {
        for (struct container *c = engine->containers; c != NULL; c = c->next) {
            state_put(&records, c);
        }
        engine_result(engine, session->number, tag, STATUS_OK, &records);
    } else if (request == CONTROL_STATISTICS) {
        size_t place = record_begin(&records, RECORD_COUNTER);
        record_put_text(&records, RECORD_NAME, "missing.io_uring_setup");
        record_put_number(&records, RECORD_VALUE, 3);
        record_end(&records, place);
        engine_result(engine, session->number, tag, STATUS_OK, &records);
    } else {
        container_request(engine, session, tag, request, bytes, length_bytes);
    }
}
