/*
 * What init gives the engine beside the usual slots (abi/kernel.h). The program's argument is the
 * size of the bundle in bytes. Includes nothing.
 */
#pragma once

enum engine_slot {
    ENGINE_SLOT_ENDPOINT = 16,   /* endpoint, every right: containers call here (container.idl) */
    ENGINE_SLOT_SIGNAL = 17,     /* signal, READ WRITE: enum engine_event and the console */
    ENGINE_SLOT_STORAGE = 18,    /* gate: storage.idl */
    ENGINE_SLOT_INIT = 19,       /* gate: init.idl */
    ENGINE_SLOT_CONTAINERS = 20, /* account, READ PAY: parent of every container's account */
    ENGINE_SLOT_BUNDLE = 21,     /* memory, READ EXECUTE: the personality is a file of it */
    ENGINE_SLOT_PLATFORM = 22,   /* platform, READ WRITE: free memory, the trace's switch */
    ENGINE_SLOT_TRACE = 23,      /* memory, READ: the trace's rings */
    ENGINE_SLOT_DEVICE = 24,     /* first slot of the virtio-console grant (lib/virtio/grant.h) */
    ENGINE_SLOT_FIRST_FREE = 64,
};

/* Bits of the engine's signal. */
#define ENGINE_EVENT_CONSOLE 1ull /* the console's interrupt */
#define ENGINE_EVENT_STORAGE 2ull /* storage ended, maybe began again: what it had open is gone */
#define ENGINE_EVENT_OWN     8    /* this bit and those above it are the engine's own */

/* Badge of the template's gate; containers' badges are above it. */
#define ENGINE_BADGE_TEMPLATE  1ull
#define ENGINE_BADGE_CONTAINER 0x100000000ull
