/* What the test programs share: see program.h. */
#include <stdarg.h>

#include "tests/linux/programs/program.h"

struct name {
    int number;
    const char *text;
};

#define NAME(number)                                                                               \
    {                                                                                              \
        number, #number                                                                            \
    }

static const struct name error_names[] = {
    {0, "no error"},       NAME(EPERM),        NAME(ENOENT),       NAME(ESRCH),
    NAME(EINTR),           NAME(EIO),          NAME(ENXIO),        NAME(E2BIG),
    NAME(ENOEXEC),         NAME(EBADF),        NAME(ECHILD),       NAME(EAGAIN),
    NAME(ENOMEM),          NAME(EACCES),       NAME(ELIBBAD),      NAME(EFAULT),
    NAME(EBUSY),           NAME(EEXIST),       NAME(EXDEV),        NAME(ENODEV),
    NAME(ENOTDIR),         NAME(EISDIR),       NAME(EINVAL),       NAME(ENFILE),
    NAME(EMFILE),          NAME(ENOTTY),       NAME(ETXTBSY),      NAME(EFBIG),
    NAME(ENOSPC),          NAME(ESPIPE),       NAME(EROFS),        NAME(EMLINK),
    NAME(EPIPE),           NAME(EDOM),         NAME(ERANGE),       NAME(EDEADLK),
    NAME(ENAMETOOLONG),    NAME(ENOLCK),       NAME(ENOSYS),       NAME(ENOTEMPTY),
    NAME(ELOOP),           NAME(EOVERFLOW),    NAME(ENOTSOCK),     NAME(EOPNOTSUPP),
    NAME(ETIMEDOUT),       NAME(ENODATA),      NAME(ENOMSG),       NAME(EIDRM),
    NAME(EADDRNOTAVAIL),   NAME(ENOTCONN),     NAME(EAFNOSUPPORT), NAME(EDESTADDRREQ),
    NAME(EMSGSIZE),        NAME(EPROTOTYPE),   NAME(ENOPROTOOPT),  NAME(EPROTONOSUPPORT),
    NAME(ESOCKTNOSUPPORT), NAME(EADDRINUSE),   NAME(ENETUNREACH),  NAME(ECONNABORTED),
    NAME(ECONNRESET),      NAME(ENOBUFS),      NAME(EISCONN),      NAME(ETOOMANYREFS),
    NAME(ECONNREFUSED),    NAME(EHOSTUNREACH), NAME(EALREADY),     NAME(EINPROGRESS),
};

static const struct name signal_names[] = {
    NAME(SIGHUP),  NAME(SIGINT),   NAME(SIGQUIT), NAME(SIGILL),    NAME(SIGTRAP), NAME(SIGABRT),
    NAME(SIGBUS),  NAME(SIGFPE),   NAME(SIGKILL), NAME(SIGUSR1),   NAME(SIGSEGV), NAME(SIGUSR2),
    NAME(SIGPIPE), NAME(SIGALRM),  NAME(SIGTERM), NAME(SIGCHLD),   NAME(SIGCONT), NAME(SIGSTOP),
    NAME(SIGTSTP), NAME(SIGTTIN),  NAME(SIGTTOU), NAME(SIGURG),    NAME(SIGXCPU), NAME(SIGXFSZ),
    NAME(SIGPROF), NAME(SIGWINCH), NAME(SIGIO),   NAME(SIGVTALRM), NAME(SIGSYS),
};

void say(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof(line) - 2) {
        length = (int)sizeof(line) - 2;
    }
    line[length++] = '\n';
    int error = errno;
    if (write(STDOUT_FILENO, line, (size_t)length) != length) {
        _exit(98);
    }
    errno = error;
}

static const char *name_find(const struct name *names, size_t count, int number)
{
    static char unknown[24];
    for (size_t i = 0; i < count; i++) {
        if (names[i].number == number) {
            return names[i].text;
        }
    }
    snprintf(unknown, sizeof(unknown), "number %d", number);
    return unknown;
}

const char *error_name(int error)
{
    return name_find(error_names, ARRAY_LENGTH(error_names), error);
}

const char *signal_name(int number)
{
    return name_find(signal_names, ARRAY_LENGTH(signal_names), number);
}

void say_result(const char *what, long result)
{
    if (result == -1) {
        say("%s: %s", what, error_name(errno));
    } else {
        say("%s: %ld", what, result);
    }
}

void say_status(const char *what, int status)
{
    if (WIFEXITED(status)) {
        say("%s: code %d", what, WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        say("%s: signal %s", what, signal_name(WTERMSIG(status)));
    } else if (WIFSTOPPED(status)) {
        say("%s: stopped %s", what, signal_name(WSTOPSIG(status)));
    } else if (WIFCONTINUED(status)) {
        say("%s: continued", what);
    } else {
        say("%s: status %#x", what, (unsigned)status);
    }
}

void must(bool good, const char *what)
{
    if (!good) {
        say("failed: %s: %s", what, error_name(errno));
        exit(99);
    }
}

int child_run(int (*function)(void *argument), void *argument)
{
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        _exit(function(argument));
    }
    return child_wait(pid);
}

int child_wait(pid_t pid)
{
    int status = 0;
    pid_t found;
    do {
        found = waitpid(pid, &status, 0);
    } while (found < 0 && errno == EINTR);
    must(found == pid, "waitpid");
    return status;
}

void byte_send(int descriptor)
{
    must(write(descriptor, "x", 1) == 1, "send a byte");
}

bool byte_receive(int descriptor)
{
    char byte;
    ssize_t count;
    do {
        count = read(descriptor, &byte, 1);
    } while (count < 0 && errno == EINTR);
    must(count >= 0, "receive a byte");
    return count == 1;
}

void sleep_ms(long milliseconds)
{
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

int64_t now_ms(void)
{
    struct timespec now;
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleeping_wait(pid_t pid, char state)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 2000; i++) {
        const char *text = file_read(path);
        const char *end = strrchr(text, ')');
        if (end != NULL && end[1] == ' ' && end[2] == state) {
            /* It may sleep elsewhere, on its way to where it is to be. */
            sleep_ms(50);
            return;
        }
        sleep_ms(5);
    }
    say("failed: a process does not come into state %c", state);
    exit(99);
}

void file_write(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    must(file >= 0, path);
    must(write(file, text, strlen(text)) == (ssize_t)strlen(text), path);
    close(file);
}

const char *file_read(const char *path)
{
    static char text[256];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return error_name(errno);
    }
    ssize_t length = read(file, text, sizeof(text) - 1);
    int error = errno;
    close(file);
    if (length < 0) {
        return error_name(error);
    }
    text[length] = '\0';
    return text;
}
