# A Go program, built and run here: garbage and goroutines that are preempted by SIGURG.
#@ seconds 300
#@ full
exec 2>&1
cd "$(mktemp -d)" || exit 1
export HOME=$PWD GOCACHE=$PWD/cache GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0
cat >work.go <<'END'
package main

import ("fmt"; "os"; "os/exec"; "os/signal"; "runtime"; "sync"; "sync/atomic"; "syscall"; "time")

type node struct { left, right *node }

func tree(depth int) *node { if depth == 0 { return &node{} }; return &node{tree(depth - 1), tree(depth - 1)} }
func (n *node) count() int { if n.left == nil { return 1 }; return 1 + n.left.count() + n.right.count() }

func main() {
	runtime.GOMAXPROCS(4)
	var group sync.WaitGroup
	var total int64
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() { defer group.Done(); for j := 0; j < 20; j++ { atomic.AddInt64(&total, int64(tree(12).count())) } }()
	}
	stop := int32(0)
	go func() { for atomic.LoadInt32(&stop) == 0 { } }()
	go func() { x := 0; for { x++; if x < 0 { break } } }()
	for i := 0; i < 10; i++ { runtime.GC() }
	group.Wait()
	atomic.StoreInt32(&stop, 1)
	fmt.Println(total)
	values := make(chan int); done := make(chan int)
	for i := 0; i < 100; i++ { go func() { for v := range values { done <- v * v } }() }
	go func() { for i := 0; i < 10000; i++ { values <- i } }()
	sum := 0
	for i := 0; i < 10000; i++ { sum += <-done }
	fmt.Println(sum)
	signals := make(chan os.Signal, 1); signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1); fmt.Println(<-signals)
	out, err := exec.Command("sh", "-c", "echo child").Output(); fmt.Printf("%q %v\n", out, err)
	select { case <-time.After(50 * time.Millisecond): fmt.Println("later") }
	defer func() { fmt.Println("recovered:", recover()) }()
	var nothing *node
	fmt.Println(nothing.left)
}
END
echo "== build"
go version; go build -o work work.go; echo "code $?"
echo "== run"
./work; echo "code $?"; GOGC=5 GODEBUG=asyncpreemptoff=0 ./work | head -n 1
echo "== vet and test"
go vet work.go; echo "code $?"; printf 'package main\nimport "testing"\nfunc TestTree(t *testing.T) { if tree(3).count() != 15 { t.Fatal("wrong") } }\n' >work_test.go; go test work.go work_test.go | awk '{ print $1 }'
exit 0
