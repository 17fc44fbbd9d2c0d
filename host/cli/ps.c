#include "host/cli/container_state.h"
#include "host/cli/format.h"
#include "host/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_WIDTH 20

struct ps {
    bool all;
    bool quiet;
    bool full;
    const char *format;
    const char *last;
    bool latest;
    struct text_list filters;
};

static bool alive(const struct container_state *state)
{
    return strcmp(state->state, "running") == 0 || strcmp(state->state, "paused") == 0;
}

/* Docker's words for OCI's. */
static const char *docker_state(const struct container_state *state)
{
    return strcmp(state->state, "stopped") == 0 ? "exited" : state->state;
}

static bool filter_matches(const char *filter, const struct container_state *state)
{
    const char *value = strchr(filter, '=') + 1;
    if (strncmp(filter, "name=", 5) == 0) {
        return strstr(state->name, value) != NULL;
    }
    if (strncmp(filter, "id=", 3) == 0) {
        return strncmp(state->id, value, strlen(value)) == 0;
    }
    return strcmp(docker_state(state), value) == 0;
}

static bool filter_known(const char *filter)
{
    return strncmp(filter, "name=", 5) == 0 || strncmp(filter, "id=", 3) == 0 ||
           strncmp(filter, "status=", 7) == 0;
}

static bool shown(const struct ps *ps, const struct container_state *state)
{
    bool by_status = false;
    for (size_t i = 0; i < ps->filters.count; i++) {
        by_status = by_status || strncmp(ps->filters.items[i], "status=", 7) == 0;
        if (!filter_matches(ps->filters.items[i], state)) {
            return false;
        }
    }
    return ps->all || ps->latest || ps->last != NULL || by_status || alive(state);
}

static char *command_text(const struct ps *ps, const struct container_state *state)
{
    char *text = container_command_text(state);
    bool cut = !ps->full && strlen(text) > COMMAND_WIDTH;
    char *quoted =
        cut ? text_format("\"%.*s…\"", COMMAND_WIDTH - 1, text) : text_format("\"%s\"", text);
    free(text);
    return quoted;
}

static void row_add(const struct ps *ps, const struct container_state *state, struct table *table)
{
    char *since = duration_text(state->created_ns);
    char *cells[] = {
        text_format("%.*s", ps->full ? 64 : 12, state->id),
        text_copy(label_text(state, "Config", "Image", "")),
        command_text(ps, state),
        text_format("%s ago", since),
        container_status_text(state),
        text_copy(""),
        text_copy(state->name),
    };
    free(since);
    table_add(table, cells);
}

static json_t *row_json(const struct ps *ps, const struct container_state *state)
{
    json_t *row = json_object();
    char *since = duration_text(state->created_ns);
    char *id = text_format("%.*s", ps->full ? 64 : 12, state->id);
    char *command = command_text(ps, state);
    char *status = container_status_text(state);
    char *created = time_text(state->created_ns);
    char *running_for = text_format("%s ago", since);
    json_object_set_new(row, "Command", json_text(command));
    json_object_set_new(row, "CreatedAt", json_text(created));
    json_object_set_new(row, "ID", json_text(id));
    json_object_set_new(row, "Image", json_text(label_text(state, "Config", "Image", "")));
    json_object_set_new(row, "Names", json_text(state->name));
    json_object_set_new(row, "Ports", json_text(""));
    json_object_set_new(row, "RunningFor", json_text(running_for));
    json_object_set_new(row, "State", json_text(docker_state(state)));
    json_object_set_new(row, "Status", json_text(status));
    free(since);
    free(id);
    free(command);
    free(status);
    free(created);
    free(running_for);
    return row;
}

static void list_print(const struct ps *ps, const struct container_list *list, size_t limit)
{
    static const char *const titles[] = {"CONTAINER ID", "IMAGE", "COMMAND", "CREATED",
                                         "STATUS",       "PORTS", "NAMES"};
    struct table table = {.titles = titles, .columns = ARRAY_LENGTH(titles)};
    size_t printed = 0;
    for (size_t i = 0; i < list->count && printed < limit; i++) {
        const struct container_state *state = &list->items[i];
        if (!shown(ps, state)) {
            continue;
        }
        printed++;
        if (ps->quiet) {
            printf("%.*s\n", ps->full ? 64 : 12, state->id);
        } else if (ps->format != NULL) {
            json_t *row = row_json(ps, state);
            format_print(ps->format, row);
            json_decref(row);
        } else {
            row_add(ps, state, &table);
        }
    }
    if (!ps->quiet && ps->format == NULL) {
        table_print(&table);
    }
    table_free(&table);
}

static bool ps_check(const struct ps *ps, uint64_t *limit)
{
    *limit = ps->latest ? 1 : SIZE_MAX;
    for (size_t i = 0; i < ps->filters.count; i++) {
        if (!filter_known(ps->filters.items[i])) {
            error_line(EXIT_OAK, "ps: --filter takes name=, id= or status=, not '%s'",
                       ps->filters.items[i]);
            return false;
        }
    }
    if (ps->last != NULL && !number_parse(ps->last, INT32_MAX, limit)) {
        error_line(EXIT_OAK, "ps: --last takes a number, not '%s'", ps->last);
        return false;
    }
    return ps->format == NULL || format_check("ps", ps->format);
}

int ps_command(int argc, char **argv)
{
    struct ps ps = {0};
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, &ps.all},       {"quiet", 'q', OPTION_FLAG, &ps.quiet},
        {"no-trunc", 0, OPTION_FLAG, &ps.full},   {"size", 's', OPTION_LATER, NULL},
        {"format", 0, OPTION_TEXT, &ps.format},   {"last", 'n', OPTION_TEXT, &ps.last},
        {"latest", 'l', OPTION_FLAG, &ps.latest}, {"filter", 'f', OPTION_LIST, &ps.filters},
    };
    struct text_list arguments = {0};
    struct container_list list = {0};
    struct connection connection;
    uint64_t limit;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count > 0) {
        return usage_error("ps", "no arguments");
    }
    if (!ps_check(&ps, &limit)) {
        return EXIT_OAK;
    }
    /* Without a machine there is nothing to list, and that is the answer. */
    status_t status = connection_open_running(&connection);
    if (status == STATUS_OK) {
        status = container_list_get(&connection, &list);
        connection_close(&connection);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status == STATUS_CLOSED ? EXIT_OAK
                                       : error_line(EXIT_OAK, "ps: %s", status_text(status));
    }
    list_print(&ps, &list, limit);
    container_list_free(&list);
    return 0;
}
