/* Programs that are none: ELF files with hostile headers, scripts, arguments at their limits. */
#include "tests/linux/attack/attack.h"

#include <elf.h>
#include <stddef.h>

#define FILE_BYTES 8192

static char name[] = "/tmp/program";
static char *const no_strings[] = {NULL};
static char *const one_string[] = {name, NULL};

struct file {
    Elf64_Ehdr header;
    Elf64_Phdr program[64];
    uint8_t code[2048];
};
static struct file file;

/* A program that calls exit_group(0). */
static void file_make(void)
{
    static const uint8_t code[] = {0xb8, 231, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05};
    memset(&file, 0, sizeof(file));
    memcpy(file.header.e_ident, ELFMAG "\2\1\1", 7);
    file.header.e_type = ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_version = 1;
    file.header.e_phoff = offsetof(struct file, program);
    file.header.e_ehsize = sizeof(file.header);
    file.header.e_phentsize = sizeof(file.program[0]);
    file.header.e_phnum = 1;
    file.header.e_entry = 0x400000 + offsetof(struct file, code);
    file.program[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                   .p_flags = PF_R | PF_X | PF_W,
                                   .p_vaddr = 0x400000,
                                   .p_filesz = sizeof(file),
                                   .p_memsz = sizeof(file),
                                   .p_align = PAGE_BYTES};
    memcpy(file.code, code, sizeof(code));
}

static int file_run(void)
{
    unlink(name);
    int descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    if (write(descriptor, &file, sizeof(file)) != sizeof(file)) {
        _exit(1);
    }
    close(descriptor);
    pid_t pid = fork();
    if (pid == 0) {
        execve(name, one_string, no_strings);
        _exit(1);
    }
    int status = 0;
    if (!ended_within(pid, 500, &status)) {
        kill(pid, SIGKILL);
        if (!ended_within(pid, 2000, &status)) {
            _exit(99);
        }
    }
    return status;
}

static const uint64_t edges[] = {
    0,
    1,
    0xfff,
    0x1000,
    0x10000,
    0x400000,
    0x401000,
    0x7ffffff00000,
    0x7fffff7ff000,
    0x7fffffffe000,
    0x7ffffffff000,
    0x7fffffffffff,
    0x800000000000,
    0x800040000000,
    0xffff800000000000,
    0x555555554000,
    0x7f0000000000,
    0x7fff00000000,
    1ul << 32,
    1ul << 46,
    1ul << 50,
    1ul << 63,
    UINT64_MAX,
    -4096ul,
    64,
    56,
    63,
    65,
    0xffff,
};

static uint64_t edge(void)
{
    return random_next() % 6 == 0 ? random_next() : edges[random_next() % ARRAY_LENGTH(edges)];
}

/* The good file runs, so that the others are refused for what is wrong with them. */
static void good(uint64_t argument)
{
    (void)argument;
    file_make();
    if (file_run() != 0) {
        _exit(99);
    }
}

static void headers(uint64_t seed)
{
    random_seed(seed);
    for (int i = 0; i < 40; i++) {
        file_make();
        uint64_t count = random_next() % 4 == 0 ? random_next() % 66 : random_next() % 4 + 1;
        file.header.e_phnum = (uint16_t)count;
        for (uint64_t j = 1; j < count && j < 64; j++) {
            file.program[j] = file.program[0];
            file.program[j].p_vaddr += j * 0x2000 * (random_next() % 3);
            file.program[j].p_memsz += random_next() % 0x4000;
        }
        for (int j = 0; j < 3; j++) {
            Elf64_Phdr *program = &file.program[random_next() % (count == 0 ? 1 : count) % 64];
            uint64_t *fields[] = {&program->p_offset,  &program->p_vaddr, &program->p_filesz,
                                  &program->p_memsz,   &program->p_align, &file.header.e_entry,
                                  &file.header.e_phoff};
            uint64_t which = random_next() % 10;
            if (which < ARRAY_LENGTH(fields)) {
                *fields[which] = edge();
            } else if (which == 7) {
                program->p_type = (uint32_t)(random_next() % 8);
            } else if (which == 8) {
                program->p_flags = (uint32_t)(random_next() % 9);
            } else {
                file.header.e_type = ET_DYN;
            }
        }
        file_run();
    }
}

/* Bytes that must be cleared lie where another segment cannot be written: the old program is gone
 * by then. What the call held must not be lost each time. */
static void tail_under_read_only(uint64_t argument)
{
    (void)argument;
    file_make();
    file.header.e_phnum = 2;
    file.program[0].p_filesz = 0xa00;
    file.program[0].p_memsz = 0xb00;
    file.program[1] = file.program[0];
    file.program[1].p_flags = PF_R;
    file.program[1].p_memsz = file.program[1].p_filesz;
    int descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    if (write(descriptor, &file, sizeof(file)) != sizeof(file)) {
        _exit(1);
    }
    close(descriptor);
    static char large[100001];
    memset(large, 'x', sizeof(large) - 1);
    char *const strings[] = {large, NULL};
    for (int i = 0; i < 5000; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execve(name, strings, no_strings);
            _exit(1);
        }
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) {
            _exit(99);
        }
    }
}

/* The program names itself, or another of its kind, as its interpreter. */
static void interpreter_itself(uint64_t type)
{
    file_make();
    file.header.e_type = (uint16_t)type;
    file.header.e_phnum = 2;
    file.program[1] = (Elf64_Phdr){.p_type = PT_INTERP,
                                   .p_offset = offsetof(struct file, code) + 100,
                                   .p_filesz = sizeof(name),
                                   .p_memsz = sizeof(name)};
    memcpy(file.code + 100, name, sizeof(name));
    file_run();
}

/* --- scripts
 * --------------------------------------------------------------------------------------- */

static void script(uint64_t which)
{
    static const char *const first[] = {
        "#!",
        "#!\n",
        "#! \n",
        "#!/tmp/script\n",
        "#!/tmp/script",
        "#!\t\t\t \r\n",
        "#!/\n",
        "#!/dev/null\n",
        "#!/proc/self/nothing\n",
        "#! /bin/sh -c exit\n",
        "#!/proc/self/fd/3\n",
        "#!/nowhere x y z\n",
    };
    static char path[] = "/tmp/script";
    static char text[5000];
    char *const strings[] = {path, NULL};
    int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);
    ssize_t length;
    if (which < ARRAY_LENGTH(first)) {
        length = write(descriptor, first[which], strlen(first[which]));
    } else {
        memset(text, which % 2 ? ' ' : 'a', sizeof(text));
        memcpy(text, "#!", 2);
        length = write(descriptor, text, 250 + which);
    }
    if (length < 0) {
        _exit(1);
    }
    close(descriptor);
    pid_t pid = fork();
    if (pid == 0) {
        execve(path, strings, no_strings);
        _exit(1);
    }
    int status;
    if (!ended_within(pid, 2000, &status)) {
        kill(pid, SIGKILL);
    }
}

/* --- arguments
 * -------------------------------------------------------------------------------------- */

static void strings_limits(uint64_t which)
{
    static char large[300000];
    static char *many[9000];
    memset(large, 'x', sizeof(large) - 1);
    large[which * 1000] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(many) - 1; i++) {
        many[i] = large + which * 1000 - i % 20;
    }
    char *const once[] = {large, NULL};
    static char path[] = "/bin/true";
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    for (int i = 0; i < 6; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            many[(i + 1) * 1024] = NULL;
            execve(path, i % 2 ? many : once, i % 3 ? many : once);
            execve(large, once, once);
            syscall(SYS_execve, path, APPLICATION_LAST - 8, 0);
            syscall(SYS_execve, path, 0x7ffffffffff8, -8ul);
            syscall(SYS_execve, 0x7fffffffefff, -1ul, 0x800000000000);
            syscall(SYS_execve, path, 0, 0);
            _exit(1);
        }
        int status;
        if (!ended_within(pid, 3000, &status)) {
            _exit(99);
        }
    }
}

/* Its own program again and again: the name of the file stays the file's. */
static int self_once(char *rounds)
{
    static char self[] = "/proc/self/exe";
    char *const strings[] = {self, rounds, NULL};
    if (--rounds[0] == '0') {
        return 0;
    }
    execve(self, strings, no_strings);
    return 1;
}

static void self_again(uint64_t argument)
{
    (void)argument;
    char rounds[] = "5";
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(self_once(rounds));
    }
    if (!ended_within(pid, 3000, &status) || status != 0) {
        _exit(99);
    }
}

int main(int count, char **strings)
{
    if (count == 2) {
        return self_once(strings[1]);
    }
    attack_that_ends("good", good, 0, 5000);
    attack_that_ends("self_again", self_again, 0, 5000);
    attack_that_ends("interpreter_itself", interpreter_itself, ET_EXEC, 5000);
    attack_that_ends("interpreter_itself", interpreter_itself, ET_DYN, 5000);
    attack_that_ends("tail_under_read_only", tail_under_read_only, 0, 60000);
    for (uint64_t which = 0; which < 20; which++) {
        attack("script", script, which, 5000);
    }
    for (uint64_t which = 1; which < 299; which += which < 140 ? 23 : 60) {
        attack_that_ends("strings_limits", strings_limits, which, 20000);
    }
    for (uint64_t seed = 1; seed <= 16; seed++) {
        attack("headers", headers, seed, 20000);
    }
    return attacks_result();
}
