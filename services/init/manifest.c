#include "services/init/manifest.h"

#include "abi/engine.h"
#include "abi/storage.h"

#define DISK_BITS 1ull

const struct manifest_object manifest_objects[KEPT_COUNT] = {
    [KEPT_PLATFORM] = {.slot = INIT_SLOT_PLATFORM},
    [KEPT_BUNDLE] = {.slot = INIT_SLOT_BUNDLE},
    [KEPT_TRACE] = {.slot = INIT_SLOT_TRACE},
    [KEPT_ENDPOINT] = {.type = OBJECT_ENDPOINT},
    [KEPT_SIGNAL] = {.type = OBJECT_SIGNAL},
    [KEPT_INIT_GATE] = {.type = OBJECT_GATE, .endpoint = KEPT_ENDPOINT, .badge = INIT_BADGE_ENGINE},
    [KEPT_STORAGE_ENDPOINT] = {.type = OBJECT_ENDPOINT},
    [KEPT_STORAGE_SIGNAL] = {.type = OBJECT_SIGNAL},
    [KEPT_STORAGE_GATE] = {.type = OBJECT_GATE,
                           .endpoint = KEPT_STORAGE_ENDPOINT,
                           .badge = STORAGE_BADGE_ENGINE},
    [KEPT_CACHE] = {.type = OBJECT_ACCOUNT, .memory_share = 8},
    [KEPT_ENGINE_ENDPOINT] = {.type = OBJECT_ENDPOINT},
    [KEPT_ENGINE_SIGNAL] = {.type = OBJECT_SIGNAL},
    [KEPT_CONTAINERS] = {.type = OBJECT_ACCOUNT},
};

const struct manifest_process manifest_processes[MANIFEST_PROCESSES] = {
    {
        .name = "storage",
        .band = BAND_DRIVER,
        .guarantee_bytes = 4 << 20,
        .memory_share = 4,
        .limit_threads = 1,
        .device = {.type = VIRTIO_DEVICE_BLOCK,
                   .slot_there = STORAGE_SLOT_DEVICE,
                   .signal = KEPT_STORAGE_SIGNAL,
                   .signal_bits = DISK_BITS,
                   .dma_bytes = VIRTIO_DMA_BLOCK},
        .capability = {{STORAGE_SLOT_ENDPOINT, KEPT_STORAGE_ENDPOINT, RIGHTS_ALL & ~RIGHT_DESTROY},
                       {STORAGE_SLOT_SIGNAL, KEPT_STORAGE_SIGNAL, RIGHT_READ},
                       {STORAGE_SLOT_CACHE, KEPT_CACHE, RIGHT_READ | RIGHT_PAY}},
        .restarts_max = 3,
        .endpoint = KEPT_STORAGE_ENDPOINT,
        .replaced = KEPT_CACHE,
        .tell_signal = KEPT_ENGINE_SIGNAL,
        .tell_bits = ENGINE_EVENT_STORAGE,
    },
    {
        .name = "engine",
        .band = BAND_SERVICE,
        .guarantee_bytes = 8 << 20,
        .memory_share = 4,
        .limit_threads = 2, /* its own and the template's */
        .device = {.type = VIRTIO_DEVICE_CONSOLE,
                   .slot_there = ENGINE_SLOT_DEVICE,
                   .signal = KEPT_ENGINE_SIGNAL,
                   .signal_bits = ENGINE_EVENT_CONSOLE,
                   .dma_bytes = VIRTIO_DMA_CONSOLE},
        .capability = {{ENGINE_SLOT_ENDPOINT, KEPT_ENGINE_ENDPOINT, RIGHTS_ALL & ~RIGHT_DESTROY},
                       {ENGINE_SLOT_SIGNAL, KEPT_ENGINE_SIGNAL, RIGHT_READ | RIGHT_WRITE},
                       {ENGINE_SLOT_STORAGE, KEPT_STORAGE_GATE, RIGHT_CALL},
                       {ENGINE_SLOT_INIT, KEPT_INIT_GATE, RIGHT_CALL},
                       {ENGINE_SLOT_CONTAINERS, KEPT_CONTAINERS, RIGHT_READ | RIGHT_PAY},
                       {ENGINE_SLOT_BUNDLE, KEPT_BUNDLE, RIGHT_READ | RIGHT_EXECUTE},
                       {ENGINE_SLOT_PLATFORM, KEPT_PLATFORM, RIGHT_READ | RIGHT_WRITE},
                       {ENGINE_SLOT_TRACE, KEPT_TRACE, RIGHT_READ}},
    },
};
