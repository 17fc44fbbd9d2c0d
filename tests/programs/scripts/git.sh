# A history of its own: commits, branches, merges, clones, packs.
#@ seconds 90
exec 2>&1
cd "$(mktemp -d)" || exit 1
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z' HOME=$PWD LC_ALL=C
git config --global user.name Oak; git config --global user.email oak@example.org; git config --global init.defaultBranch main; git config --global protocol.file.allow always
echo "== commits"
git init -q one; cd one || exit 1
for i in $(seq 1 10); do echo "line $i" >>file; mkdir -p dir$((i % 3)); seq "$i" 50 >dir$((i % 3))/data$i; git add -A; git commit -q -m "commit $i"; done
git log --oneline | cat; git rev-parse HEAD; git status --short; git ls-tree -r HEAD | head -n 3
echo "== changes"
echo changed >file; rm dir1/data1; echo new >new; git status --short; git diff --stat | cat; git stash -q -u; git status --short; git stash pop -q; git checkout -q -- .; rm new; git status --short
git diff HEAD~1 HEAD~3 | md5sum; git blame file | cut -c1-8,60- | tail -n 2; git log -p -2 | md5sum; git grep -c 'line 5'
echo "== branches"
git checkout -q -b side HEAD~3; echo side >side; git add side; git commit -q -m side; git checkout -q main; git merge -q -m merged side; git log --graph --oneline | cat
git checkout -q -b conflict HEAD~1; echo theirs >file; git commit -q -am theirs; git checkout -q main; echo ours >file; git commit -q -am ours; git merge conflict; echo "code $?"; cat file; git merge --abort; git branch -D conflict side; git tag -a v1 -m tagged; git describe
git rebase -q --onto HEAD~2 HEAD~1 2>&1 | tail -n 1; git cherry-pick --abort 2>/dev/null; git reset -q --hard v1; git reflog | wc -l
echo "== clones"
cd ..; git clone -q one two; git -C two log --oneline | wc -l; git clone -q --bare "file://$PWD/one" bare.git; git -C two remote add bare ../bare.git
(cd two && echo pushed >pushed && git add pushed && git commit -q -m pushed && git push -q bare main); git -C bare.git log --oneline -1 | cat; git -C one pull -q --ff-only ../bare.git main; cat one/pushed; git clone -q --depth 1 "file://$PWD/one" shallow; git -C shallow log --oneline | wc -l
echo "== packs"
cd one || exit 1; git gc -q; git fsck --full --strict; git count-objects -v | grep -E 'in-pack|^count'; git verify-pack -v .git/objects/pack/*.idx | grep -c blob; git archive --format=tar HEAD | tar -t | wc -l; git bundle create -q ../b HEAD; git bundle verify -q ../b; echo "code $?"
echo "== many files"
mkdir many; for i in $(seq 1 500); do echo "$i" >many/$i; done; git add many; git commit -q -m many; git ls-files | wc -l; git rm -q -r many; git commit -q -m fewer; git ls-files | wc -l; git log --stat -1 --format=%s | tail -n 1; git worktree add -q ../tree v1; ls ../tree | tr '\n' ' '; git bisect start HEAD~1 v1; git bisect run sh -c 'test ! -d many' | grep -c 'first bad'; git bisect reset
exit 0
