#!/bin/bash
# The files that the measured programs work on: data.sh FOLDER. The same each time.
set -eu
folder=$1
rm -rf "$folder"
mkdir -p "$folder/small"
seq 1 700000 | head -c 4194304 >"$folder/file"
for i in $(seq 2000); do
    printf '%*d\n' $((100 + i % 50 * 40)) "$i" >"$folder/small/$i"
done
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$folder" -cf "$folder/small.tar" small
rm -r "$folder/small"
{
    echo "create table t (id integer primary key, name text, value real);"
    seq 500 | sed "s|.*|insert into t (name, value) values ('name &', & / 3.0);|"
} >"$folder/rows.sql"
cat >"$folder/program.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    char text[32];
    unsigned count;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

int main(void)
{
    static struct word words[1000];
    size_t used = 0;
    char text[32];
    while (used < 1000 && scanf("%31s", text) == 1) {
        strcpy(words[used++].text, text);
    }
    qsort(words, used, sizeof(words[0]), compare);
    for (size_t i = 0; i < used; i++) {
        printf("%s %u\n", words[i].text, words[i].count);
    }
    return 0;
}
END
