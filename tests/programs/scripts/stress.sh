# stress-ng's classes, each for a second or more: what it checks itself must hold.
#@ seconds 600
#@ full
exec 2>&1
cd "$(mktemp -d)" || exit 1
time=$([ "$1" = full ] && echo 3 || echo 1)
for class in cpu vm fork vfork clone futex pipe signal sigq sigsegv switch mmap mremap malloc brk stack bigheap \
    pthread mutex sem poll dir dentry rename link symlink flock fcntl seek fallocate utime hdd access chmod \
    getrandom nanosleep timer itimer alarm sleep yield get set wait zombie memcpy qsort shm-sysv msg mq sem-sysv \
    eventfd epoll timerfd sigfd inotify sock udp sockpair sendfile splice tee vm-rw memfd madvise mincore mlock mprotect \
    nice schedpolicy affinity daemon kill prctl procfs xattr; do
    echo "== $class"
    stress-ng --"$class" 2 --timeout "$time" --verify --metrics-brief --oomable --temp-path . >log 2>&1
    echo "code $?"
    grep -E 'fail|unsuccessful|error' log | sed 's/\[[0-9]*\]//' | sort -u | head -n 3
done
exit 0
