#include "tests/attack/attack.h"
void attack_resume(void)
{
}
