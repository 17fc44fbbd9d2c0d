/* Importing images, for load, pull and run with a path. Part of oak-archive. */
#pragma once

#include "host/cli/connection.h"

/*
 * Imports every image at the path (an OCI layout directory, an OCI or docker-save archive), or of
 * stdin when path is NULL, and prints their names. name is for an image that brings none. Exit
 * code.
 */
int load_path(struct connection *connection, const char *path, const char *name, bool quiet);
