/*
 * What init gives the storage service beside the usual slots (abi/kernel.h). Includes nothing.
 */
#pragma once

enum storage_slot {
    STORAGE_SLOT_ENDPOINT = 16, /* endpoint, every right: init owns it, calls survive a restart */
    STORAGE_SLOT_SIGNAL = 17,   /* signal, READ: the device's interrupt */
    STORAGE_SLOT_CACHE = 18,  /* account, READ PAY: the page cache; its limit is the cache's size */
    STORAGE_SLOT_DEVICE = 24, /* first slot of the virtio-blk grant (lib/virtio/grant.h) */
    STORAGE_SLOT_FIRST_FREE = 64,
};

/* Badges of gates on STORAGE_SLOT_ENDPOINT: init makes the engine's gate (storage.idl) with the
 * first; storage itself makes the gates of open blobs (blob.idl). */
#define STORAGE_BADGE_ENGINE 1ull
#define STORAGE_BADGE_BLOB   0x100000000ull
