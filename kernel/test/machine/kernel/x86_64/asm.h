/*
 * In place of kernel/x86_64/asm.h where the kernel's code runs on a machine made of C: what each
 * instruction does there.
 */
#pragma once

#include "lib/base/processor.h"

void port_write8(uint16_t port, uint8_t value);
void port_write16(uint16_t port, uint16_t value);
void port_write32(uint16_t port, uint32_t value);
uint8_t port_read8(uint16_t port);
uint16_t port_read16(uint16_t port);
uint32_t port_read32(uint16_t port);

uint64_t cr2_read(void);
uint64_t cr3_read(void);
void cr3_write(uint64_t value);

void dr0_write(uint64_t value);
void dr1_write(uint64_t value);
void dr2_write(uint64_t value);
void dr3_write(uint64_t value);
uint64_t dr6_read(void);
void dr6_write(uint64_t value);
void dr7_write(uint64_t value);

void cpu_sleep(void);
void cpu_listen(void);
void translation_forget(uint64_t address);

void fpu_save(void *area);
void fpu_restore(const void *area);
void bases_save(uint64_t *fs_base, uint64_t *gs_base);
void bases_restore(uint64_t fs_base, uint64_t gs_base);
