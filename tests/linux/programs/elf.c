/*
 * Programs whose ELF headers are not as they should be: exec refuses them with Linux's error, or
 * the program ends as on Linux; whoever called exec in vain goes on. Each is made here: one page of
 * headers and code, which ends with code 7 when it is reached.
 */
#include "tests/linux/programs/program.h"

#include <elf.h>
#include <stddef.h>

#define BASE      0x400000
#define CODE      0x200
#define NAME      0x300 /* of the interpreter */
#define FILE_SIZE 0x1000

static const uint8_t code[] = {0xbf, 7, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segment[4];
    uint8_t rest[FILE_SIZE - sizeof(Elf64_Ehdr) - 4 * sizeof(Elf64_Phdr)];
};
_Static_assert(sizeof(struct image) == FILE_SIZE, "one page");

static struct image image;

static void image_reset(uint16_t type)
{
    memset(&image, 0, sizeof(image));
    uint64_t base = type == ET_DYN ? 0 : BASE;
    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    image.header.e_type = type;
    image.header.e_machine = EM_X86_64;
    image.header.e_version = EV_CURRENT;
    image.header.e_entry = base + CODE;
    image.header.e_phoff = offsetof(struct image, segment);
    image.header.e_ehsize = sizeof(Elf64_Ehdr);
    image.header.e_phentsize = sizeof(Elf64_Phdr);
    image.header.e_phnum = 1;
    image.segment[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_flags = PF_R | PF_X,
                                    .p_vaddr = base,
                                    .p_paddr = base,
                                    .p_filesz = FILE_SIZE,
                                    .p_memsz = FILE_SIZE,
                                    .p_align = 0x1000};
    memcpy((uint8_t *)&image + CODE, code, sizeof(code));
}

static void image_write(const char *path, size_t size)
{
    unlink(path);
    int file = open(path, O_WRONLY | O_CREAT, 0755);
    must(file >= 0 && write(file, &image, size) == (ssize_t)size, "write");
    close(file);
}

static int image_exec(void *path)
{
    char *const none[] = {NULL};
    execve(path, none, none);
    return 100 + errno;
}

static void exec_say(const char *what, const char *path)
{
    int status = child_run(image_exec, (void *)(uintptr_t)path);
    if (WIFEXITED(status) && WEXITSTATUS(status) > 100) {
        say("%s: %s", what, error_name(WEXITSTATUS(status) - 100));
    } else {
        say_status(what, status);
    }
}

static void image_say(const char *what)
{
    image_write("program", FILE_SIZE);
    exec_say(what, "program");
}

#define CHANGED(type, what, change)                                                                \
    do {                                                                                           \
        image_reset(type);                                                                         \
        change;                                                                                    \
        image_say(what);                                                                           \
    } while (0)

static void header_check(void)
{
    CHANGED(ET_EXEC, "a fixed program", (void)0);
    CHANGED(ET_DYN, "a movable program", (void)0);
    CHANGED(ET_EXEC, "wrong magic", image.header.e_ident[1] = 'e');
    CHANGED(ET_EXEC, "another class", image.header.e_ident[EI_CLASS] = ELFCLASS32);
    CHANGED(ET_EXEC, "another byte order", image.header.e_ident[EI_DATA] = ELFDATA2MSB);
    CHANGED(ET_EXEC, "another ident version", image.header.e_ident[EI_VERSION] = 9);
    CHANGED(ET_EXEC, "another ABI", image.header.e_ident[EI_OSABI] = 77);
    CHANGED(ET_EXEC, "an object file", image.header.e_type = ET_REL);
    CHANGED(ET_EXEC, "a core file", image.header.e_type = ET_CORE);
    CHANGED(ET_EXEC, "another machine", image.header.e_machine = EM_AARCH64);
    CHANGED(ET_EXEC, "another version", image.header.e_version = 9);
    CHANGED(ET_EXEC, "another header size", image.header.e_ehsize = 1);
    CHANGED(ET_EXEC, "another entry size", image.header.e_phentsize = 55);
    CHANGED(ET_EXEC, "no headers", image.header.e_phnum = 0);
    CHANGED(ET_EXEC, "more headers than the file has", image.header.e_phnum = 200);
    CHANGED(ET_EXEC, "far too many headers", image.header.e_phnum = 65535);
    CHANGED(ET_EXEC, "headers beyond the file", image.header.e_phoff = FILE_SIZE);
    CHANGED(ET_EXEC, "headers far beyond", image.header.e_phoff = UINT64_MAX - 8);
    CHANGED(ET_EXEC, "odd headers", {
        memmove((uint8_t *)&image + 0x401, image.segment, sizeof(image.segment));
        image.header.e_phoff = 0x401;
    });
    CHANGED(ET_EXEC, "32 headers", {
        memcpy((uint8_t *)&image + 0x204, code, sizeof(code));
        image.header.e_phoff = 0x210;
        image.header.e_phnum = 32;
        memcpy((uint8_t *)&image + 0x210 + 31 * sizeof(Elf64_Phdr), image.segment,
               sizeof(Elf64_Phdr));
        image.header.e_entry = BASE + 0x204;
    });
    CHANGED(ET_EXEC, "an entry at zero", image.header.e_entry = 0);
    CHANGED(ET_EXEC, "an entry behind the program", image.header.e_entry = BASE + 0x10000);
    CHANGED(ET_EXEC, "an entry in the kernel", image.header.e_entry = 0xffffffff81000000);
    CHANGED(ET_EXEC, "an entry that is not canonical", image.header.e_entry = 0x8000000000000000);
}

static void size_check(void)
{
    static const size_t sizes[] = {1, 4, 63, 64, 65, 119, 120, 0x1ff, CODE + sizeof(code)};
    char what[64];
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        image_reset(ET_EXEC);
        image_write("short", sizes[i]);
        snprintf(what, sizeof(what), "cut off after %zu bytes", sizes[i]);
        exec_say(what, "short");
    }
}

static void segment_check(void)
{
    Elf64_Phdr *first = &image.segment[0];
    Elf64_Phdr *second = &image.segment[1];
    CHANGED(ET_EXEC, "nothing to load", first->p_type = PT_NOTE);
    CHANGED(ET_EXEC, "not executable", first->p_flags = PF_R);
    CHANGED(ET_EXEC, "no rights at all", first->p_flags = 0);
    CHANGED(ET_EXEC, "all rights", first->p_flags = PF_R | PF_W | PF_X);
    CHANGED(ET_EXEC, "no alignment", first->p_align = 0);
    CHANGED(ET_EXEC, "an alignment of three", first->p_align = 3);
    CHANGED(ET_DYN, "a huge alignment", first->p_align = 1ull << 62);
    CHANGED(ET_EXEC, "offset and address that do not fit", first->p_vaddr = BASE + 1);
    CHANGED(ET_EXEC, "more in the file than in memory", first->p_memsz = 0x100);
    CHANGED(ET_EXEC, "much more in memory", first->p_memsz = 0x100000);
    CHANGED(ET_EXEC, "more in memory than there is", first->p_memsz = 1ull << 60);
    CHANGED(ET_EXEC, "sizes that wrap",
            first->p_memsz = first->p_filesz = UINT64_MAX - BASE - 0x10);
    CHANGED(ET_EXEC, "nothing in memory", first->p_filesz = first->p_memsz = 0);
    CHANGED(ET_EXEC, "an offset beyond the file", first->p_offset = 0x10000);
    CHANGED(ET_EXEC, "an offset that wraps", first->p_offset = UINT64_MAX - 0xfff);
    CHANGED(ET_EXEC, "in the kernel", first->p_vaddr = 0xffffffff81000000);
    CHANGED(ET_EXEC, "not canonical", first->p_vaddr = 0x8000000000000000);
    CHANGED(ET_EXEC, "across the end", first->p_vaddr = 0x7ffffffff000);
    CHANGED(ET_DYN, "movable, where it cannot be", first->p_vaddr = 0x7ffffffff000);
    CHANGED(ET_EXEC, "at zero", first->p_vaddr = 0);
    CHANGED(ET_EXEC, "the same twice", {
        *second = *first;
        image.header.e_phnum = 2;
    });
    CHANGED(ET_EXEC, "a zero tail that is read-only", {
        *second = *first;
        second->p_vaddr = BASE + 0x1000;
        second->p_flags = PF_R;
        second->p_filesz = 0x10;
        second->p_memsz = 0x100;
        image.header.e_phnum = 2;
    });
    CHANGED(ET_EXEC, "in falling order", {
        *second = *first;
        first->p_vaddr = BASE + 0x10000;
        image.header.e_phnum = 2;
    });
}

/* The second header names an interpreter. */
static void interpreter_set(const char *name, uint64_t size)
{
    memcpy((uint8_t *)&image + NAME, name, strlen(name) + 1);
    image.segment[1] = (Elf64_Phdr){
        .p_type = PT_INTERP, .p_flags = PF_R, .p_offset = NAME, .p_filesz = size, .p_memsz = size};
    image.header.e_phnum = 2;
}

static void interpreter_check(void)
{
    image_reset(ET_DYN);
    image_write("interpreter", FILE_SIZE);
    CHANGED(ET_DYN, "an interpreter", interpreter_set("./interpreter", 14));
    CHANGED(ET_DYN, "one that is not there", interpreter_set("./missing", 10));
    CHANGED(ET_DYN, "a directory as interpreter", interpreter_set(".", 2));
    CHANGED(ET_DYN, "its name without an end", interpreter_set("./interpreter", 13));
    CHANGED(ET_DYN, "its name cut short", interpreter_set("./interpreter", 5));
    CHANGED(ET_DYN, "its name empty", interpreter_set("", 1));
    CHANGED(ET_DYN, "its name of no bytes", interpreter_set("", 0));
    CHANGED(ET_DYN, "its name very long", interpreter_set("./interpreter", 5000));
    CHANGED(ET_DYN, "its name beyond the file", {
        interpreter_set("./interpreter", 14);
        image.segment[1].p_offset = 0x5000;
    });
    file_write("text", "#!./interpreter\n");
    must(chmod("text", 0755) == 0, "chmod");
    CHANGED(ET_DYN, "a script as interpreter", interpreter_set("./text", 7));
    file_write("empty", "");
    must(chmod("empty", 0755) == 0, "chmod");
    CHANGED(ET_DYN, "an empty file as interpreter", interpreter_set("./empty", 8));
    file_write("plain", "");
    CHANGED(ET_DYN, "one that is not executable", interpreter_set("./plain", 8));
    image_reset(ET_DYN);
    image.header.e_machine = EM_AARCH64;
    image_write("foreign", FILE_SIZE);
    CHANGED(ET_DYN, "an interpreter of another machine", interpreter_set("./foreign", 10));
    image_reset(ET_DYN);
    image.header.e_phnum = 0;
    image_write("hollow", FILE_SIZE);
    CHANGED(ET_DYN, "an interpreter without headers", interpreter_set("./hollow", 9));
}

static void script_say(const char *what, const char *text, size_t size)
{
    unlink("script");
    int file = open("script", O_WRONLY | O_CREAT, 0755);
    must(file >= 0 && write(file, text, size) == (ssize_t)size, "write");
    close(file);
    exec_say(what, "script");
}

static void script_check(void)
{
    char line[600];
    image_reset(ET_EXEC);
    image_write("program", FILE_SIZE);
    script_say("a script", "#!./program\n", 12);
    script_say("without an end of line", "#!./program", 11);
    script_say("with spaces", "#! \t ./program  \t\n", 18);
    script_say("of two bytes", "#!", 2);
    script_say("without an interpreter", "#!\n", 3);
    script_say("with spaces alone", "#!   \n", 6);
    script_say("with a missing interpreter", "#!./missing\n", 12);
    script_say("with a directory", "#!.\n", 4);
    script_say("with a file that is not executable", "#!./plain\n", 10);
    script_say("below a file", "#!./plain/x\n", 12);
    script_say("with itself", "#!./script\n", 11);
    script_say("with a zero in it", "#!./pro\0gram\n", 13);
    memset(line, 'x', sizeof(line));
    memcpy(line, "#!./", 4);
    script_say("with a name that is too long", line, sizeof(line));
    memset(line, ' ', sizeof(line));
    memcpy(line, "#!./program ", 12);
    script_say("with a long argument", line, sizeof(line));
    memset(line, ' ', sizeof(line));
    memcpy(line, "#!", 2);
    script_say("with spaces without end", line, sizeof(line));
}

/* Any bit of the headers changed: exec fails or the program ends, and nothing else happens. */
static void bits_check(void)
{
    for (size_t bit = 0; bit < (sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)) * 8; bit += 3) {
        image_reset(bit % 2 == 0 ? ET_EXEC : ET_DYN);
        ((uint8_t *)&image)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        image_write("changed", FILE_SIZE);
        (void)child_run(image_exec, (void *)(uintptr_t) "changed");
    }
    say("after all that: still here");
}

int main(void)
{
    header_check();
    size_check();
    segment_check();
    interpreter_check();
    script_check();
    bits_check();
    return 0;
}
