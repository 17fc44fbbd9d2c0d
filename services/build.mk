# The services; each says in its own folder what it is made of.

-include $(wildcard services/*/build.mk)
