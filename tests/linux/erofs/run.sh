#!/bin/bash
# TAP: an EROFS image with a byte changed shows in a container what Linux shows, or is refused.
#
#   run.sh [STEP]
#
# A Linux guest mounts each variant and looks at all of its files; so does the personality's file
# system, on this machine under sanitizers. Every STEPth of 27,000 variants is tried; 1: all, for some
# minutes. compare.py judges.
set -u
cd "$(dirname "$0")/../../.." || exit 1
step=${1:-97}
files=build/tests/linux-erofs
kib=$((($(stat -c %s $files/image) + 1023) / 1024))
$files/here $files/image "$step" >$files/here.out 2>$files/here.err &
timeout $((120 + 100000 / step)) qemu-system-x86_64 -M "q35,hpet=off,usb=off,vmport=off" -m 512 \
    -nodefaults -no-user-config -no-reboot -display none -serial stdio -accel tcg,thread=multi -cpu max \
    -kernel build/bench/linux/vmlinuz -initrd $files/initramfs \
    -append "console=ttyS0 loglevel=0 tsc=reliable step=$step kib=$kib" </dev/null >$files/linux.out 2>&1
wait
cat $files/here.err
tests/linux/erofs/compare.py $files/linux.out $files/here.out
