/*
 * Whether KVM works here is found out by trying, and remembered in the state directory together
 * with what the answer depends on: this boot of the host, its kernel, the QEMU program, the user's
 * access to /dev/kvm. When any of it changes, KVM is tried again.
 */
#pragma once

#include "host/machine/qemu.h"

#define ACCELERATOR_TRIAL_NS 2000000000ll
/* For one that did work: a busy host makes a start slow, and is no reason to give KVM up. */
#define ACCELERATOR_KNOWN_NS 10000000000ll

/* Whether there is anything to try: /dev/kvm is there, and ours to open. */
bool accelerator_kvm_opens(void);

/* The remembered answer. NOT_FOUND: nothing is known that still holds. */
MUST_USE status_t accelerator_recall(const struct state *state, enum accelerator *out);

/* Remembers; a failure to write costs the next start one more trial. */
void accelerator_remember(const struct state *state, enum accelerator accelerator);
