# Perl's own tests of its language and its input and output: each file is one check.
#@ image perl-test
#@ seconds 1500
#@ full
exec 2>&1
cd "$(mktemp -d)" || exit 1
mkdir lib
cp -rs /usr/share/perl/5.36/. lib && cp -rs /usr/lib/x86_64-linux-gnu/perl/5.36/. lib && cp -r /usr/share/perl-source/t . && cd t || exit 1
ln -s /usr/bin/perl perl
export PERL_CORE=1 PERL_SKIP_TTY_TEST=1
for test in base/*.t cmd/*.t comp/*.t io/*.t mro/*.t op/*.t; do
    echo "== $test"
    timeout 400 ./perl -I../lib $(sed -n '1s/^#!.*perl//p' "$test") "$test" </dev/null >log 2>/dev/null
    echo "code $?"
    grep -c '^ *ok' log
    grep '^ *not ok' log | sed 's/ - .*//'
done
exit 0
