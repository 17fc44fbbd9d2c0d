# Unit tests of the terminals' line discipline.
$(call host_test,line_test,linux/tty/test/line_test.c linux/tty/line.c)
