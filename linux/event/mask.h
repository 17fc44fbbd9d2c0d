/* Waiting under another signal mask: what ppoll, pselect and epoll_pwait have in common. */
#pragma once

#include "lib/base/types.h"

/* Take the mask at user_mask (0: none) until mask_end, which is to come after a success. -EINVAL:
 * its size is not a mask's; -EFAULT. */
long mask_begin(uint64_t user_mask, uint64_t size_bytes, bool *changed);

/* A signal that ended the wait is delivered under the call's mask; the old one comes after. */
void mask_end(bool changed, bool interrupted);
