#include "host/cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMN_GAP 3

static uint64_t wall_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

char *duration_text(uint64_t since_ns)
{
    static const struct {
        uint64_t below_seconds;
        uint64_t unit_seconds;
        const char *unit;
    } steps[] = {
        {60, 1, "seconds"},
        {46 * 60, 60, "minutes"},
        {48 * 3600, 3600, "hours"},
        {14 * 86400, 86400, "days"},
        {60 * 86400, 604800, "weeks"},
        {730 * 86400, 2592000, "months"},
        {UINT64_MAX, 31536000, "years"},
    };
    uint64_t now_ns = wall_now_ns();
    uint64_t seconds = now_ns > since_ns ? (now_ns - since_ns) / 1000000000u : 0;
    if (seconds < 1) {
        return text_copy("Less than a second");
    }
    if (seconds == 1) {
        return text_copy("1 second");
    }
    if (seconds >= 60 && seconds < 120) {
        return text_copy("About a minute");
    }
    if (seconds >= 46 * 60 && seconds < 2 * 3600) {
        return text_copy("About an hour");
    }
    size_t step = 0;
    while (seconds >= steps[step].below_seconds) {
        step++;
    }
    return text_format("%" PRIu64 " %s", seconds / steps[step].unit_seconds, steps[step].unit);
}

char *size_text(uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 1000 && unit + 1 < ARRAY_LENGTH(units)) {
        size /= 1000;
        unit++;
    }
    return text_format("%.3g%s", size, units[unit]);
}

char *time_text(uint64_t wall_ns)
{
    if (wall_ns == 0) {
        return text_copy("0001-01-01T00:00:00Z");
    }
    time_t seconds = (time_t)(wall_ns / 1000000000u);
    struct tm parts;
    char text[32];
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    return text_format("%s.%09uZ", text, (unsigned)(wall_ns % 1000000000u));
}

json_t *json_text(const char *text)
{
    json_t *json = json_string(text);
    if (json != NULL) {
        return json;
    }
    char *plain = text_copy(text);
    for (char *c = plain; *c != '\0'; c++) {
        *c = (unsigned char)*c >= 0x80 ? '?' : *c;
    }
    json = json_string(plain);
    free(plain);
    return json;
}

void table_add(struct table *table, char *const *cells)
{
    size_t row_bytes = table->columns * sizeof(*table->cells);
    table->cells = allocate_again(table->cells, (table->rows + 1) * row_bytes);
    memcpy(table->cells + table->rows * table->columns, cells, row_bytes);
    table->rows++;
}

static void row_print(const struct table *table, const char *const *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->columns; i++) {
        bool last = i + 1 == table->columns;
        printf("%-*s", last ? 0 : (int)(widths[i] + COLUMN_GAP), cells[i]);
    }
    putchar('\n');
}

void table_print(const struct table *table)
{
    size_t *widths = allocate(table->columns * sizeof(*widths));
    for (size_t i = 0; i < table->columns; i++) {
        widths[i] = strlen(table->titles[i]);
        for (size_t row = 0; row < table->rows; row++) {
            widths[i] = MAX(widths[i], strlen(table->cells[row * table->columns + i]));
        }
    }
    row_print(table, table->titles, widths);
    for (size_t row = 0; row < table->rows; row++) {
        row_print(table, (const char *const *)table->cells + row * table->columns, widths);
    }
    free(widths);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
}

static void value_print(json_t *value, bool as_json)
{
    if (as_json || json_is_object(value) || json_is_array(value)) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        fputs(text != NULL ? text : "null", stdout);
        free(text);
    } else if (json_is_string(value)) {
        fputs(json_string_value(value), stdout);
    } else if (json_is_integer(value)) {
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        fputs(json_is_true(value) ? "true" : json_is_false(value) ? "false" : "<no value>", stdout);
    }
}

/* One {{...}}: NULL when it is no field. path is "." or ".A.B". */
static bool action_parse(const char *text, size_t length, bool *as_json, char *path,
                         size_t path_bytes)
{
    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    *as_json = length > 5 && strncmp(text, "json ", 5) == 0;
    if (*as_json) {
        text += 5;
        length -= 5;
    }
    size_t plain = strspn(text, ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    if (length == 0 || length >= path_bytes || text[0] != '.' || plain < length) {
        return false;
    }
    memcpy(path, text, length);
    path[length] = '\0';
    return true;
}

bool format_check(const char *command, const char *format)
{
    if (strcmp(format, "json") == 0) {
        return true;
    }
    const char *place = format;
    while ((place = strstr(place, "{{")) != NULL) {
        const char *end = strstr(place, "}}");
        bool as_json;
        char path[256];
        if (end == NULL ||
            !action_parse(place + 2, (size_t)(end - place - 2), &as_json, path, sizeof(path))) {
            error_line(EXIT_OAK,
                       "%s: --format takes json, or text with {{.Field}} and {{json .Field}}",
                       command);
            return false;
        }
        place = end + 2;
    }
    if (strncmp(format, "table ", 6) == 0 || strcmp(format, "table") == 0) {
        error_line(EXIT_OAK, "%s: --format table is not supported yet", command);
        return false;
    }
    return true;
}

static void action_print(const char *path, bool as_json, json_t *object)
{
    json_t *value = object;
    const char *next = path + 1;
    while (*next != '\0' && value != NULL) {
        char key[256];
        size_t length = strcspn(next, ".");
        snprintf(key, sizeof(key), "%.*s", (int)length, next);
        value = json_object_get(value, key);
        next += length + (next[length] == '.');
    }
    value_print(value, as_json);
}

void format_print(const char *format, json_t *object)
{
    const char *place = format;
    if (strcmp(format, "json") == 0) {
        place = "{{json .}}";
    }
    while (*place != '\0') {
        if (strncmp(place, "{{", 2) == 0) {
            const char *end = strstr(place, "}}");
            bool as_json;
            char path[256];
            if (action_parse(place + 2, (size_t)(end - place - 2), &as_json, path, sizeof(path))) {
                action_print(path, as_json, object);
            }
            place = end + 2;
        } else if (place[0] == '\\' && (place[1] == 't' || place[1] == 'n')) {
            putchar(place[1] == 't' ? '\t' : '\n');
            place += 2;
        } else {
            putchar(*place++);
        }
    }
    putchar('\n');
}
