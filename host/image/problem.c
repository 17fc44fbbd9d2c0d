#include "host/image/problem.h"

#include <stdarg.h>
#include <stdio.h>

status_t problem_set(struct problem *problem, status_t status, const char *format, ...)
{
    if (problem->text[0] == '\0') {
        va_list values;
        va_start(values, format);
        vsnprintf(problem->text, sizeof(problem->text), format, values);
        va_end(values);
    }
    return status;
}
