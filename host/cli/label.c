/*
 * The label: what the engine keeps for the CLI, so that ps and inspect can show a container as
 * docker does. JSON, at most LABEL_MAX bytes: what does not fit is left out, environment first.
 */
#include "host/cli/format.h"
#include "host/cli/specification.h"

#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 65536

static json_t *list_json(const struct text_list *list, size_t from)
{
    json_t *array = json_array();
    for (size_t i = from; i < list->count; i++) {
        json_array_append_new(array, json_text(list->items[i]));
    }
    return array;
}

static json_t *labels_json(const struct text_list *labels)
{
    json_t *object = json_object();
    for (size_t i = 0; i < labels->count; i++) {
        char *key = text_copy(labels->items[i]);
        char *value = strchr(key, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        json_object_set_new(object, key, json_text(value != NULL ? value : ""));
        free(key);
    }
    return object;
}

static json_t *config_json(const struct specification *specification)
{
    const struct container_flags *flags = specification->flags;
    json_t *config = json_object();
    json_object_set_new(config, "Hostname", json_text(specification->hostname));
    json_object_set_new(config, "User", json_text(specification->user));
    json_object_set_new(config, "Tty", json_boolean(flags->terminal));
    json_object_set_new(config, "OpenStdin", json_boolean(flags->interactive));
    json_object_set_new(config, "Env", list_json(&specification->environment, 0));
    json_object_set_new(config, "Cmd", list_json(&specification->command, 0));
    json_object_set_new(config, "Image", json_text(specification->image->name));
    json_object_set_new(config, "WorkingDir", json_text(specification->working_directory));
    json_object_set_new(config, "Entrypoint", list_json(&specification->entrypoint, 0));
    json_object_set_new(config, "Labels", labels_json(&flags->labels));
    json_object_set_new(config, "StopSignal", json_text(specification->stop_signal));
    return config;
}

static json_t *host_config_json(const struct specification *specification)
{
    const struct container_flags *flags = specification->flags;
    json_t *host = json_object();
    json_object_set_new(host, "AutoRemove", json_boolean(flags->remove));
    json_object_set_new(host, "ReadonlyRootfs", json_boolean(flags->read_only));
    json_object_set_new(host, "SecurityOpt", list_json(&flags->security_options, 0));
    json_object_set_new(host, "Tmpfs", list_json(&flags->tmpfs, 0));
    return host;
}

static json_t *label_json(const struct specification *specification)
{
    struct text_list words = {0};
    for (size_t i = 0; i < specification->entrypoint.count; i++) {
        text_list_add(&words, specification->entrypoint.items[i]);
    }
    for (size_t i = 0; i < specification->command.count; i++) {
        text_list_add(&words, specification->command.items[i]);
    }
    json_t *label = json_object();
    json_object_set_new(label, "Image", json_text(specification->image->id));
    json_object_set_new(label, "Path", json_text(words.items[0]));
    json_object_set_new(label, "Args", list_json(&words, 1));
    json_object_set_new(label, "Config", config_json(specification));
    json_object_set_new(label, "HostConfig", host_config_json(specification));
    text_list_free(&words);
    return label;
}

char *label_make(const struct specification *specification, size_t *length_bytes)
{
    static const char *const dropped[] = {NULL, "Env", "Cmd", "Entrypoint", "Labels"};
    json_t *label = label_json(specification);
    char *text = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++) {
        if (dropped[i] != NULL) {
            json_object_del(json_object_get(label, "Config"), dropped[i]);
            json_object_del(label, "Args");
        }
        free(text);
        text = json_dumps(label, JSON_COMPACT);
        if (text != NULL && strlen(text) <= LABEL_MAX) {
            break;
        }
    }
    json_decref(label);
    if (text == NULL || strlen(text) > LABEL_MAX) {
        free(text);
        text = text_copy("{}");
    }
    *length_bytes = strlen(text);
    return text;
}
