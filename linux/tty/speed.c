/*
 * Speeds of terminals: data that programs set and read back (termios(3), ioctl_tty(2)). A speed is
 * a code in the control flags; termios2 gives it as a number, too.
 */
#include "linux/tty/speed.h"

#define CBAUD   0010017u
#define CBAUDEX 0010000u
#define BOTHER  0010000u

static const uint32_t slow[] = {0,   50,   75,   110,  134,  150,  200,   300,
                                600, 1200, 1800, 2400, 4800, 9600, 19200, 38400};
static const uint32_t fast[] = {57600,   115200,  230400,  460800,  500000,
                                576000,  921600,  1000000, 1152000, 1500000,
                                2000000, 2500000, 3000000, 3500000, 4000000};

uint32_t speed_of(uint32_t control_flags)
{
    uint32_t code = control_flags & CBAUD;
    if (!(code & CBAUDEX)) {
        return slow[code];
    }
    code &= ~CBAUDEX;
    return code == 0 || code > ARRAY_LENGTH(fast) ? 38400 : fast[code - 1];
}

uint32_t speed_flags(uint32_t control_flags, uint32_t speed)
{
    if ((control_flags & CBAUD) != BOTHER) {
        return control_flags;
    }
    control_flags &= ~CBAUD;
    for (uint32_t i = 0; i < ARRAY_LENGTH(slow); i++) {
        if (slow[i] == speed) {
            return control_flags | i;
        }
    }
    for (uint32_t i = 0; i < ARRAY_LENGTH(fast); i++) {
        if (fast[i] == speed) {
            return control_flags | CBAUDEX | (i + 1);
        }
    }
    return control_flags | 15; /* 38400, of which no other is told apart */
}
