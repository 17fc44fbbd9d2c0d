#!/bin/sh
# A command as in a plain Linux container, to compare with where crun does not work: namespaces.sh ROOT
# COMMAND...
# ROOT's files under a layer of their own, own processes, hostname, System V objects, a network of lo
# only, docker's capabilities, and 1,024 descriptors. Without root it runs as root of a user namespace.
set -e
if [ "$1" != --inside ]; then
    [ "$(id -u)" = 0 ] || map=--map-root-user
    exec unshare $map --mount --pid --fork --kill-child --uts --ipc --net "$0" --inside "$@"
fi
root=$2
shift 2
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    : >dev/$name
    mount --bind /dev/$name dev/$name
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for name in 0/stdin 1/stdout 2/stderr; do
    ln -s /proc/self/fd/${name%/*} dev/${name#*/}
done
busybox ip link set lo up
busybox hostname container
echo container >etc/hostname
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tcontainer\n' >etc/hosts
ulimit -Sn 1024
kept=+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service
kept=$kept,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap
exec setpriv --bounding-set="-all,$kept" --inh-caps=-all env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    HOSTNAME=container chroot . "$@"
