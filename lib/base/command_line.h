/* Words of a command line, which are separated by spaces. */
#pragma once

/* What stands behind `key` in the first word that begins with it; NULL: there is none. */
const char *command_line_find(const char *line, const char *key);
