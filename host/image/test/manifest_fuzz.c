/* Proves: no bytes take the readers of an image's documents out of bounds, or leak. */
#include "host/image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest;
    struct configuration configuration;
    struct saved_list saved;
    struct problem problem = {0};
    if (manifest_parse(data, size, "manifest", &manifest, &problem) == STATUS_OK) {
        manifest_free(&manifest);
    }
    if (configuration_parse(data, size, &configuration, &problem) == STATUS_OK) {
        configuration_free(&configuration);
    }
    if (saved_list_parse(data, size, &saved, &problem) == STATUS_OK) {
        saved_list_free(&saved);
    }
    return 0;
}
