# Sets of watched files, with threads, over files and a heap of the test's.
$(call host_test,epoll_test,linux/event/test/epoll_test.c lib/base/tree.c,-pthread)
