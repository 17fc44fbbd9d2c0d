#include "lib/base/command_line.h"

#include "lib/base/string.h"

const char *command_line_find(const char *line, const char *key)
{
    size_t length = strlen(key);
    while (line != NULL && *line != '\0') {
        if (strncmp(line, key, length) == 0) {
            return line + length;
        }
        line = strchr(line, ' ');
        line += line != NULL;
    }
    return NULL;
}
