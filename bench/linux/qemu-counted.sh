#!/bin/bash
# OAK_QEMU: QEMU as `oak machine` starts it, but with every instruction counted, on one CPU.
arguments=()
for argument in "$@"; do
    case $argument in
    tcg,thread=multi) argument=tcg ;;
    max) argument=max,-erms,-fsrm ;;
    esac
    arguments+=("$argument")
done
exec qemu-system-x86_64 "${arguments[@]}" -icount shift=0,sleep=off
