# What is measured; each part says in its own folder what it is made of.

include $(wildcard bench/*/build.mk)
