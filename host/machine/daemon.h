/* `oak machine daemon`, which `oak machine start` runs in the background; never typed by a user. */
#pragma once

/* Arguments after the word daemon. Returns the exit code of the process. */
int machine_daemon(int argc, char **argv);
