#include "tests/attack/attack.h"
void attack_isolation(void)
{
}
