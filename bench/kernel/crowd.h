/* What all figures are counted beside, the second time: domains that do nothing. */
#pragma once

#define CROWD 1000

/* Make them; each has an account, a copy of this window, and a thread that waits for ever. */
void crowd_make(void);
