/* The container's program of which there are many while a start is measured. */
#include <unistd.h>

int main(void)
{
    for (;;) {
        pause();
    }
}
