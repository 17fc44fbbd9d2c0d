# Building, installing, upgrading, checking and removing packages with scripts of their own.
exec 2>&1
cd "$(mktemp -d)" || exit 1
export LC_ALL=C
make() { # VERSION [DEPENDS]
    rm -rf tree; mkdir -p tree/DEBIAN tree/usr/bin tree/etc tree/usr/share/oak; printf '#!/bin/sh\necho oak %s\n' "$1" >tree/usr/bin/oak-test; chmod 755 tree/usr/bin/oak-test
    echo "setting = $1" >tree/etc/oak.conf; echo /etc/oak.conf >tree/DEBIAN/conffiles; ln -s oak-test tree/usr/bin/oak-link; for i in $(seq 100); do echo "$i" >tree/usr/share/oak/$i; done
    printf 'Package: oak-test\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n%s' "$1" "${2:+Depends: $2
}" >tree/DEBIAN/control
    for script in preinst postinst prerm postrm; do printf '#!/bin/sh\nset -e\necho "%s $*"\n' "$script" >tree/DEBIAN/$script; chmod 755 tree/DEBIAN/$script; done
    dpkg-deb --root-owner-group -b tree "oak-$1.deb"
}
echo "== build"
make 1.0; make 2.0; make 3.0 no-such-package; dpkg-deb -I oak-1.0.deb | sed 1,2d; dpkg-deb -c oak-1.0.deb | wc -l; dpkg-deb -f oak-2.0.deb Version
echo "== install"
dpkg -i oak-1.0.deb | sed 's/ [0-9]* files/ N files/'; echo "code $?"; oak-test; oak-link; dpkg -s oak-test | grep -E '^(Status|Version)'; dpkg -L oak-test | wc -l; dpkg -S /usr/bin/oak-test; dpkg -l oak-test | tail -n 1 | tr -s ' '
echo "== upgrade"
echo local >>/etc/oak.conf; dpkg --force-confold -i oak-2.0.deb | sed 's/ [0-9]* files/ N files/'; oak-test; cat /etc/oak.conf; ls /etc/oak.conf*; rm /usr/share/oak/7; dpkg --verify oak-test
echo "== refused"
dpkg -i oak-3.0.deb 2>&1 | sed 's/ [0-9]* files/ N files/'; dpkg -s oak-test | grep ^Status; dpkg -i none.deb; echo "code $?"; dpkg --force-depends --configure oak-test | tail -n 1
echo "== remove"
dpkg -r oak-test | sed 's/ [0-9]* files/ N files/'; oak-test; ls /etc/oak.conf; dpkg -P oak-test | sed 's/ [0-9]* files/ N files/'; ls /etc/oak.conf; dpkg -s oak-test | head -n 1; dpkg --audit
echo "== what is installed"
dpkg-query -W -f '${Package} ${Status}\n' bash coreutils; dpkg -S /bin/bash 2>&1 | head -n 1; dpkg --compare-versions 1.0-1 lt 1.0-1+b1; echo $?; dpkg --print-architecture
exit 0
