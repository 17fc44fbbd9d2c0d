#include "host/machine/options.h"

#include "host/machine/qemu.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void machine_options_init(struct machine_options *options)
{
    *options = (struct machine_options){
        .cpus = 2,
        .memory_bytes = 1024ull << 20,
        .store_bytes = 16ull << 30,
        .machine_type = MACHINE_TYPE_DEFAULT,
        .accelerator = "auto",
    };
    const char *accelerator = getenv("OAK_ACCELERATOR");
    if (accelerator != NULL && accelerator[0] != '\0') {
        options->accelerator = accelerator;
    }
}

status_t size_parse(const char *text, uint64_t *out)
{
    static const char suffixes[] = "bkmgt";
    if (!isdigit((unsigned char)text[0])) {
        return STATUS_INVALID_ARGUMENT;
    }
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (*end != '\0') {
        const char *suffix = strchr(suffixes, tolower((unsigned char)*end));
        if (suffix == NULL) {
            return STATUS_INVALID_ARGUMENT;
        }
        shift = (unsigned)(suffix - suffixes) * 10;
        end++;
        if (shift > 0 && tolower((unsigned char)*end) == 'b') {
            end++;
        }
    }
    if (errno != 0 || *end != '\0' || value > UINT64_MAX >> shift) {
        return STATUS_INVALID_ARGUMENT;
    }
    *out = value << shift;
    return STATUS_OK;
}

static status_t size_option(const char *value, uint64_t minimum, uint64_t *out)
{
    uint64_t bytes;
    status_t status = size_parse(value, &bytes);
    if (status != STATUS_OK || bytes < minimum || bytes > 1ull << 46) {
        return STATUS_INVALID_ARGUMENT;
    }
    *out = bytes;
    return STATUS_OK;
}

status_t machine_options_set(struct machine_options *options, const char *name, const char *value)
{
    uint64_t number;
    if (strcmp(name, "cpus") == 0) {
        if (size_parse(value, &number) != STATUS_OK || number < 1 || number > MACHINE_CPUS_MAX) {
            return STATUS_INVALID_ARGUMENT;
        }
        options->cpus = (uint32_t)number;
        return STATUS_OK;
    }
    if (strcmp(name, "memory") == 0) {
        return size_option(value, MACHINE_MEMORY_MINIMUM, &options->memory_bytes);
    }
    if (strcmp(name, "store-size") == 0) {
        return size_option(value, MACHINE_STORE_MINIMUM, &options->store_bytes);
    }
    if (strcmp(name, "machine-type") == 0) {
        options->machine_type = value;
        return qemu_machine_type_known(value) ? STATUS_OK : STATUS_INVALID_ARGUMENT;
    }
    if (strcmp(name, "accelerator") == 0) {
        options->accelerator = value;
        bool known =
            strcmp(value, "auto") == 0 || strcmp(value, "kvm") == 0 || strcmp(value, "tcg") == 0;
        return known ? STATUS_OK : STATUS_INVALID_ARGUMENT;
    }
    return STATUS_NOT_FOUND;
}

const char *const *machine_options_arguments(const struct machine_options *options)
{
    static char texts[MACHINE_OPTION_ARGUMENTS - 1][64];
    static const char *arguments[MACHINE_OPTION_ARGUMENTS];
    snprintf(texts[0], sizeof(texts[0]), "--cpus=%" PRIu32, options->cpus);
    snprintf(texts[1], sizeof(texts[1]), "--memory=%" PRIu64, options->memory_bytes);
    snprintf(texts[2], sizeof(texts[2]), "--store-size=%" PRIu64, options->store_bytes);
    snprintf(texts[3], sizeof(texts[3]), "--machine-type=%s", options->machine_type);
    snprintf(texts[4], sizeof(texts[4]), "--accelerator=%s", options->accelerator);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        arguments[i] = texts[i];
    }
    arguments[ARRAY_LENGTH(texts)] = NULL;
    return arguments;
}
