/* How results are shown: docker's tables, templates, sizes and ages. */
#pragma once

#include "host/cli/cli.h"

#include <jansson.h>

/* "5 seconds", "About a minute", "3 hours": since that wall-clock time. */
char *duration_text(uint64_t since_ns);
/* "4.26MB" */
char *size_text(uint64_t bytes);
/* RFC 3339 with nanoseconds, UTC; docker's zero time for 0. */
char *time_text(uint64_t wall_ns);

/* A JSON string, with what is not UTF-8 replaced. */
json_t *json_text(const char *text);

/* A table whose columns are as wide as their widest cell. Rows own their cells. */
struct table {
    const char *const *titles;
    size_t columns;
    char **cells; /* row by row */
    size_t rows;
};
void table_add(struct table *table, char *const *cells);
void table_print(const struct table *table);
void table_free(struct table *table);

/*
 * --format: "json", or a template of text and {{.Field}}, {{json .}}, {{json .Field}} with dots
 * into nested objects; \t and \n are understood. False, with the error printed, when the template
 * is beyond that. The object's own keys are the fields.
 */
MUST_USE bool format_check(const char *command, const char *format);
void format_print(const char *format, json_t *object);
