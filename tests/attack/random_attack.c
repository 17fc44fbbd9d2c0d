#include "tests/attack/attack.h"
void attack_random(void)
{
}
