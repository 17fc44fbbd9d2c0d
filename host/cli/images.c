#include "host/cli/catalog.h"
#include "host/cli/format.h"
#include "host/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_PREFIX "sha256:"

struct images {
    bool quiet;
    bool full;
    bool all;
    const char *format;
};

static char *id_text(const struct images *images, const struct catalog_image *image)
{
    size_t prefix = strlen(DIGEST_PREFIX);
    if (images->full) {
        return text_copy(image->id);
    }
    bool prefixed = strncmp(image->id, DIGEST_PREFIX, prefix) == 0;
    return text_format("%.12s", image->id + (prefixed ? prefix : 0));
}

/* NAME or NAME:TAG. */
static bool name_matches(const char *name, const struct catalog_image *image)
{
    const char *colon = strrchr(name, ':');
    bool tagged = colon != NULL && strchr(colon, '/') == NULL;
    size_t length = tagged ? (size_t)(colon - name) : strlen(name);
    return strlen(image->repository) == length && strncmp(image->repository, name, length) == 0 &&
           (!tagged || strcmp(image->tag, colon + 1) == 0);
}

static char *age_text(const struct catalog_image *image)
{
    if (image->created_ns == 0) {
        return text_copy("N/A");
    }
    char *since = duration_text(image->created_ns);
    char *text = text_format("%s ago", since);
    free(since);
    return text;
}

static json_t *row_json(const struct images *images, const struct catalog_image *image)
{
    json_t *row = json_object();
    char *id = id_text(images, image);
    char *size = size_text(image->size_bytes);
    char *created = time_text(image->created_ns);
    char *age = age_text(image);
    json_object_set_new(row, "Containers", json_text("N/A"));
    json_object_set_new(row, "CreatedAt", json_text(created));
    json_object_set_new(row, "CreatedSince", json_text(age));
    json_object_set_new(row, "ID", json_text(id));
    json_object_set_new(row, "Repository", json_text(image->repository));
    json_object_set_new(row, "Size", json_text(size));
    json_object_set_new(row, "Tag", json_text(image->tag));
    free(id);
    free(size);
    free(created);
    free(age);
    return row;
}

static void row_print(const struct images *images, const struct catalog_image *image,
                      struct table *table)
{
    if (images->quiet) {
        char *id = id_text(images, image);
        printf("%s\n", id);
        free(id);
    } else if (images->format != NULL) {
        json_t *row = row_json(images, image);
        format_print(images->format, row);
        json_decref(row);
    } else {
        char *cells[] = {text_copy(image->repository), text_copy(image->tag),
                         id_text(images, image), age_text(image), size_text(image->size_bytes)};
        table_add(table, cells);
    }
}

int images_command(int argc, char **argv)
{
    struct images images = {0};
    const struct option options[] = {
        {"quiet", 'q', OPTION_FLAG, &images.quiet}, {"no-trunc", 0, OPTION_FLAG, &images.full},
        {"all", 'a', OPTION_FLAG, &images.all},     {"format", 0, OPTION_TEXT, &images.format},
        {"filter", 'f', OPTION_LATER, NULL},        {"digests", 0, OPTION_LATER, NULL},
    };
    static const char *const titles[] = {"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"};
    struct table table = {.titles = titles, .columns = ARRAY_LENGTH(titles)};
    struct text_list arguments = {0};
    struct catalog catalog;
    struct state state;
    char problem[PATH_MAX + 256];
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments) ||
        (images.format != NULL && !format_check("images", images.format))) {
        return EXIT_OAK;
    }
    if (arguments.count > 1) {
        return usage_error("images", "at most one name");
    }
    if (state_open(&state, problem, sizeof(problem)) != STATUS_OK) {
        return error_line(EXIT_OAK, "%s", problem);
    }
    if (!catalog_read(&state, &catalog)) {
        return EXIT_OAK;
    }
    for (size_t i = 0; i < catalog.count; i++) {
        if (arguments.count == 0 || name_matches(arguments.items[0], &catalog.items[i])) {
            row_print(&images, &catalog.items[i], &table);
        }
    }
    if (!images.quiet && images.format == NULL) {
        table_print(&table);
    }
    table_free(&table);
    catalog_free(&catalog);
    return 0;
}
