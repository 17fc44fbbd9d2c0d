/*
 * Two programs are the CLI: oak, and oak-archive beside it. Only the second is linked with the
 * library that reads archives, whose own libraries take longer to load than a container takes to
 * start. oak becomes oak-archive for the commands that need it, and runs it to import a path.
 */
#pragma once

#include "host/cli/cli.h"

/* Becomes oak-archive with the same arguments; returns an exit code only when that fails. */
int helper_become(int argc, char **argv);

/*
 * Runs `oak-archive import PATH` and gives what it prints: the identifier of the image, in memory
 * of its own. NULL: the error was printed.
 */
char *helper_import(const char *path, bool again);
