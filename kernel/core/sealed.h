/*
 * Variables that are written while booting only: kernel_map_seal makes their pages read-only just
 * before the first thread runs.
 */
#pragma once

#define SEALED __attribute__((section(".bss.sealed")))
