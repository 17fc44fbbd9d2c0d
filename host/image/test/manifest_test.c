/*
 * Proves: proper documents are taken apart, and each kind of improper one ends in a line that says
 * what is wrong with it, and in nothing else.
 */
#include "host/image/manifest.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ITEM   "{\"digest\":\"" DIGEST "\",\"size\":5}"

enum kind {
    KIND_MANIFEST,
    KIND_CONFIGURATION,
    KIND_SAVED,
};

static const struct {
    enum kind kind;
    const char *text;
    const char *problem; /* NULL: it is proper */
} cases[] = {
    {KIND_MANIFEST, "{\"schemaVersion\":2,\"manifests\":[" ITEM "]}", NULL},
    {KIND_MANIFEST, "{\"schemaVersion\":2,\"config\":" ITEM ",\"layers\":[" ITEM "," ITEM "]}",
     NULL},
    {KIND_MANIFEST, "{\"schemaVersion\":2,\"manifests\":[]}", NULL},
    {KIND_MANIFEST, "", "no proper JSON"},
    {KIND_MANIFEST, "[]", "damaged"},
    {KIND_MANIFEST, "{\"manifests\":[],\"manifests\":[]}", "no proper JSON"},
    {KIND_MANIFEST, "{\"manifests\":{}}", "no list"},
    {KIND_MANIFEST, "{\"manifests\":[5]}", "digest"},
    {KIND_MANIFEST, "{\"schemaVersion\":1,\"manifests\":[]}", "version"},
    {KIND_MANIFEST, "{\"manifests\":[{\"digest\":\"sha256:12\",\"size\":5}]}", "digest"},
    {KIND_MANIFEST, "{\"manifests\":[{\"digest\":\"" DIGEST "0\",\"size\":5}]}", "digest"},
    {KIND_MANIFEST, "{\"manifests\":[{\"digest\":\"" DIGEST "\",\"size\":-5}]}", "size"},
    {KIND_MANIFEST, "{\"manifests\":[{\"digest\":\"" DIGEST "\",\"size\":\"5\"}]}", "size"},
    {KIND_MANIFEST, "{\"manifests\":[{\"digest\":\"" DIGEST "\",\"size\":9000000000000000000}]}",
     "size"},
    {KIND_MANIFEST, "{\"config\":" ITEM "}", "no list"},
    {KIND_MANIFEST, "{\"layers\":[" ITEM "]}", "digest"},
    {KIND_CONFIGURATION, "{\"rootfs\":{\"diff_ids\":[\"" DIGEST "\"]}}", NULL},
    {KIND_CONFIGURATION, "{\"config\":null,\"rootfs\":{\"diff_ids\":[]}}", NULL},
    {KIND_CONFIGURATION,
     "{\"config\":{\"Cmd\":null,\"Env\":[\"A=1\"]},\"rootfs\":{\"diff_ids\":[]}}", NULL},
    {KIND_CONFIGURATION, "{}", "names no layers"},
    {KIND_CONFIGURATION, "[]", "another type"},
    {KIND_CONFIGURATION, "{\"config\":[],\"rootfs\":{\"diff_ids\":[]}}", "another type"},
    {KIND_CONFIGURATION, "{\"config\":{\"Cmd\":\"sh\"},\"rootfs\":{\"diff_ids\":[]}}",
     "another type"},
    {KIND_CONFIGURATION, "{\"config\":{\"Env\":[5]},\"rootfs\":{\"diff_ids\":[]}}", "another type"},
    {KIND_CONFIGURATION, "{\"config\":{\"User\":5},\"rootfs\":{\"diff_ids\":[]}}", "another type"},
    {KIND_CONFIGURATION, "{\"config\":{\"User\":\"a\\u0000b\"}}", "no proper JSON"},
    {KIND_CONFIGURATION, "{\"rootfs\":{\"diff_ids\":[\"sha512:00\"]}}", "digest"},
    {KIND_SAVED, "[{\"Config\":\"a.json\",\"RepoTags\":[\"x:1\"],\"Layers\":[\"l/layer.tar\"]}]",
     NULL},
    {KIND_SAVED, "[{\"Config\":\"a.json\",\"RepoTags\":null,\"Layers\":[]}]", NULL},
    {KIND_SAVED, "{}", "no list"},
    {KIND_SAVED, "[{}]", "lacks"},
    {KIND_SAVED, "[{\"Config\":\"a\",\"Layers\":[5]}]", "lacks"},
    {KIND_SAVED, "[{\"Config\":\"a\",\"Layers\":\"x\"}]", "lacks"},
    {KIND_SAVED, "[{\"Config\":\"a\\nb\",\"Layers\":[]}]", "lacks"},
};

static status_t parse(enum kind kind, const char *text, struct problem *problem)
{
    struct manifest manifest;
    struct configuration configuration;
    struct saved_list saved;
    status_t status = STATUS_OK;
    switch (kind) {
    case KIND_MANIFEST:
        status = manifest_parse(text, strlen(text), "index.json", &manifest, problem);
        if (status == STATUS_OK) {
            manifest_free(&manifest);
        }
        break;
    case KIND_CONFIGURATION:
        status = configuration_parse(text, strlen(text), &configuration, problem);
        if (status == STATUS_OK) {
            configuration_free(&configuration);
        }
        break;
    case KIND_SAVED:
        status = saved_list_parse(text, strlen(text), &saved, problem);
        if (status == STATUS_OK) {
            saved_list_free(&saved);
        }
        break;
    }
    return status;
}

static bool descriptor_read_right(void)
{
    static const char text[] =
        "{\"manifests\":[{\"digest\":\"" DIGEST "\",\"size\":7,\"platform\":{\"os\":\"linux\","
        "\"architecture\":\"amd64\"},\"annotations\":{\"org.opencontainers.image.ref.name\":\"n\"}}"
        ","
        "{\"digest\":\"" DIGEST "\",\"size\":7,\"platform\":{\"os\":\"linux\","
        "\"architecture\":\"arm64\"},\"mediaType\":\"application/x\"}]}";
    struct manifest manifest;
    struct problem problem = {0};
    if (manifest_parse(text, sizeof(text) - 1, "index.json", &manifest, &problem) != STATUS_OK) {
        return false;
    }
    const struct descriptor *items = manifest.list.items;
    bool right = manifest.index && manifest.list.count == 2 && items[0].size_bytes == 7 &&
                 items[0].digest.bytes[31] == 31 && items[0].platform == PLATFORM_OURS &&
                 strcmp(items[0].name, "n") == 0 && items[0].image_configuration &&
                 items[1].platform == PLATFORM_OTHER && items[1].name == NULL &&
                 !items[1].image_configuration;
    manifest_free(&manifest);
    return right;
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct problem problem = {0};
        status_t status = parse(cases[i].kind, cases[i].text, &problem);
        bool good = cases[i].problem == NULL ? status == STATUS_OK
                                             : status == STATUS_CORRUPT &&
                                                   strstr(problem.text, cases[i].problem) != NULL;
        printf("%sok %zu - %s %s\n", good ? "" : "not ", i + 1,
               cases[i].problem == NULL ? "taken:" : "refused:", cases[i].text);
        if (!good) {
            printf("  status %u: %s\n", status, problem.text);
        }
    }
    printf("%sok %zu - a descriptor's digest, size, platform and name are read\n",
           descriptor_read_right() ? "" : "not ", ARRAY_LENGTH(cases) + 1);
    return 0;
}
