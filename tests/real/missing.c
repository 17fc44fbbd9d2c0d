/* Asks for what does not exist: missing TIMES. */
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **argument)
{
    int times = count > 1 ? atoi(argument[1]) : 1;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int value = 0;
    for (int i = 0; i < times; i++) {
        syscall(SYS_io_uring_setup, 1, NULL);
    }
    prctl(9999, 0, 0, 0, 0);
    setsockopt(fd, SOL_SOCKET, 9998, &value, sizeof(value));
    return 0;
}
