#!/bin/bash
# What starting a container costs, in instructions and in time.
cd "$(dirname "$0")/../.." && exec bench/start/start.py build/oak.elf
