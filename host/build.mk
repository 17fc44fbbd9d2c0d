# The host's side: the oak command with its daemon, and the import of images.

include host/machine/build.mk
include host/image/build.mk
include host/cli/build.mk
