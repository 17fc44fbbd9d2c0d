# Tools that run on the host while building.

$(call host_program,bundle,tools/bundle.c)
